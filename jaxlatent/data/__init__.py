"""Pictures whose factors of variation are known."""

from jaxlatent.data import dsprites as dsprites
from jaxlatent.data import faces as faces
from jaxlatent.data import toys as toys
from jaxlatent.data.worlds import WORLDS as WORLDS
from jaxlatent.data.worlds import Factor as Factor
from jaxlatent.data.worlds import World as World
