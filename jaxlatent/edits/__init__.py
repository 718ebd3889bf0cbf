"""Edits: pytrees of floats that move latents along numbered directions."""

from jaxlatent.edits.base import Edit as Edit
from jaxlatent.edits.base import bare as bare
from jaxlatent.edits.base import register_edit as register_edit
from jaxlatent.edits.combining import combine as combine
from jaxlatent.edits.combining import concatenate as concatenate
from jaxlatent.edits.deformation import Deformation as Deformation
from jaxlatent.edits.deformation import deformation as deformation
from jaxlatent.edits.directions import Directions as Directions
from jaxlatent.edits.directions import directions as directions
from jaxlatent.edits.factor import Factors as Factors
from jaxlatent.edits.factor import factors as factors
from jaxlatent.edits.flow import FlowPaths as FlowPaths
from jaxlatent.edits.flow import flow_paths as flow_paths
from jaxlatent.edits.local_basis import LocalBasis as LocalBasis
from jaxlatent.edits.local_basis import local_basis as local_basis
from jaxlatent.edits.rbf import RBFField as RBFField
from jaxlatent.edits.rbf import rbf_field as rbf_field
from jaxlatent.edits.walks import NeuralWalk as NeuralWalk
from jaxlatent.edits.walks import neural_walk as neural_walk
