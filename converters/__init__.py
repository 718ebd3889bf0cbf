"""PyTorch checkpoint -> parameters: safe, and without importing torch."""

from converters.artefacts.codes import load_codes as load_codes
from converters.artefacts.direction_shapes import Asked as Asked
from converters.artefacts.exporting import export_edit as export_edit
from converters.artefacts.importing import guess_edit as guess_edit
from converters.artefacts.importing import import_edit as import_edit
from converters.checkpoints import Checkpoint as Checkpoint
from converters.checkpoints import is_folder as is_folder
from converters.checkpoints import read as read
from converters.loading import convert as convert
from converters.loading import inspect as inspect
from converters.loading import layouts as layouts
from converters.loading import load as load
from converters.lpips import load_lpips as load_lpips
from jaxlatent.types import CheckpointError as CheckpointError
