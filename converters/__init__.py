"""PyTorch checkpoint -> parameters: safe, and without importing torch."""

from converters.artefacts import import_directions as import_directions
from converters.artefacts import load_codes as load_codes
from converters.containers.reading import container as container
from converters.containers.reading import read as read
from converters.loading import convert as convert
from converters.loading import inspect as inspect
from converters.loading import load as load
from jaxlatent.types import CheckpointError as CheckpointError
