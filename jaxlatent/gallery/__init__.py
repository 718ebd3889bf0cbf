"""Pictures of edits: grids, animations and one static page."""

from jaxlatent.files import atomic_write as atomic_write
from jaxlatent.gallery.animation import save_gif as save_gif
from jaxlatent.gallery.page import Gallery as Gallery
from jaxlatent.gallery.page import Row as Row
from jaxlatent.gallery.page import strength_labels as strength_labels
from jaxlatent.gallery.page import write_page as write_page
from jaxlatent.gallery.plots import Plot as Plot
from jaxlatent.gallery.raster import enlarge as enlarge
from jaxlatent.gallery.raster import grid as grid
from jaxlatent.gallery.raster import over_white as over_white
from jaxlatent.gallery.raster import save_png as save_png
from jaxlatent.gallery.raster import shrink as shrink
from jaxlatent.gallery.raster import to_uint8 as to_uint8
from jaxlatent.gallery.regions import outline as outline
from jaxlatent.gallery.regions import spotlight as spotlight
