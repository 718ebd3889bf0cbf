"""Pictures whose factors of variation are known."""

from jaxlatent.data import faces as faces
