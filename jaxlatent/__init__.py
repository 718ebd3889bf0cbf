"""Edits in the latent space of image generators, as pure JAX functions."""

from jaxlatent.checkpoint import load_edit as load_edit
from jaxlatent.checkpoint import load_generator as load_generator
from jaxlatent.checkpoint import save_edit as save_edit
from jaxlatent.checkpoint import save_generator as save_generator
from jaxlatent.editing import to_space as to_space
from jaxlatent.editing import traverse_images as traverse_images
from jaxlatent.generators.base import Discriminator as Discriminator
from jaxlatent.generators.base import Generator as Generator
from jaxlatent.generators.base import fingerprint as fingerprint
from jaxlatent.generators.base import render as render
from jaxlatent.joining import combine as combine
from jaxlatent.joining import concatenate as concatenate
from jaxlatent.methods.ganspace import ganspace as ganspace
from jaxlatent.methods.interfacegan import interfacegan as interfacegan
from jaxlatent.methods.sefa import sefa as sefa
from jaxlatent.networks.base import Network as Network
from jaxlatent.types import Affine as Affine
from jaxlatent.types import CheckpointError as CheckpointError
from jaxlatent.types import Directions as Directions
from jaxlatent.types import Edit as Edit
from jaxlatent.types import Noise as Noise
from jaxlatent.types import Params as Params
from jaxlatent.types import Scorer as Scorer
from jaxlatent.types import directions as directions
from jaxlatent.types import register_edit as register_edit
