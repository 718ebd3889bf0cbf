"""Pictures of edits: grids, animations and one static page."""

from jaxlatent.files import atomic_write as atomic_write
from jaxlatent.gallery.animation import save_gif as save_gif
from jaxlatent.gallery.page import Gallery as Gallery
from jaxlatent.gallery.page import Row as Row
from jaxlatent.gallery.page import strength_labels as strength_labels
from jaxlatent.gallery.page import write_page as write_page
from jaxlatent.gallery.pictures import enlarge as enlarge
from jaxlatent.gallery.pictures import grid as grid
from jaxlatent.gallery.pictures import save_png as save_png
from jaxlatent.gallery.pictures import shrink as shrink
from jaxlatent.gallery.pictures import to_uint8 as to_uint8
from jaxlatent.gallery.regions import outline as outline
from jaxlatent.gallery.regions import spotlight as spotlight
