"""The parts of a cartoon portrait, painted back to front.

Each part is a signed distance, filled with an antialiased edge, and says which mask it
belongs to. Picture and masks come of the same strokes.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlatent.data.shapes import (
    Canvas,
    Points,
    blank,
    box,
    cover,
    cut,
    ellipse,
    glow,
    join,
    mix,
    pixels,
    ramp,
    shaded,
    stroke,
)
from jaxlatent.data.worlds import Values

ZOOM = 0.9
"""Half the picture's side, in the units in which the parts are drawn."""

WHITE = (1.0, 1.0, 1.0)
SKIN = ((0.45, 0.28, 0.21), (0.68, 0.43, 0.31), (0.90, 0.67, 0.52), (1.0, 0.85, 0.75))
HAIR = ((0.15, 0.13, 0.17), (0.37, 0.21, 0.17), (0.73, 0.35, 0.20), (0.96, 0.77, 0.47))
BACKDROP = (
    (0.96, 0.74, 0.72),
    (0.98, 0.86, 0.66),
    (0.76, 0.90, 0.78),
    (0.67, 0.85, 0.93),
    (0.81, 0.76, 0.95),
)
SWEATER = (
    (0.16, 0.47, 0.52),
    (0.25, 0.33, 0.58),
    (0.75, 0.37, 0.36),
    (0.95, 0.56, 0.35),
    (0.89, 0.67, 0.27),
)


PARTS = (
    "backdrop",
    (
        "sweater",
        "skin",
        "hair",
        "beard",
        "nose",
        "mouth",
        "eyes",
        "brows",
        "glasses",
    ),
)
"""Names of the masks: what the whole picture is at first, and what covers it."""


class Look(NamedTuple):
    """What the parts of a portrait share; colours are [3] in [0, 1].

    Attributes:
        factors: by name, a scalar each.
        pixel: the width of an antialiased edge.
        frame: pixels in the frame of the picture, where the backdrop stays.
        body: pixels in the frame of the shoulders.
        head: pixels in the frame of the head, its origin between the ears.
        front: pixels in the frame of the face, which turns further than the head.
        width: half the width of the face.
        skin: colour of the skin.
        hair: colour of the hair.
        sweater: colour of the sweater.
    """

    factors: dict[str, jax.Array]
    pixel: jax.Array
    frame: Points
    body: Points
    head: Points
    front: Points
    width: jax.Array
    skin: jax.Array
    hair: jax.Array
    sweater: jax.Array

    def fill(self, distance: jax.Array) -> jax.Array:
        """The opacity of a shape with a crisp, antialiased edge."""
        return cover(distance, self.pixel)


def look_of(values: Values, size: int) -> Look:
    """What the parts of a portrait share, of its factors by name."""
    dtype = jnp.result_type(*values.values())
    # beyond [-1, 1] factors level off; -1 and 1 themselves stay where they are
    factor = {
        name: jnp.tanh(jnp.asarray(value, dtype)) / math.tanh(1)
        for name, value in values.items()
    }
    frame = Points(*(ZOOM * axis for axis in pixels(size, dtype)))
    near = jnp.exp(0.2 * factor["zoom"])
    body = frame.moved(0.2 * factor["x"], 0.16 * factor["y"])
    body = Points(body.x / near, body.y / near)
    yaw = factor["yaw"]
    leant = body.moved(0.0, 0.6).turned(0.16 * factor["tilt"]).moved(0.0, -0.6)
    head = leant.moved(0.03 * yaw, 0.0)
    # the far half of the face is seen at a sharper angle, hence narrower
    front = Points(head.x - 0.11 * yaw + 0.24 * yaw * head.x**2, head.y)
    return Look(
        factors=factor,
        pixel=2.6 * ZOOM / size / near,
        frame=frame,
        body=body,
        head=head,
        front=front,
        width=0.385 + 0.05 * factor["width"],
        skin=ramp(factor["skin"], SKIN),
        hair=ramp(factor["hair_colour"], HAIR),
        sweater=ramp(factor["backdrop"], SWEATER),
    )


def backdrop(look: Look) -> Canvas:
    """A wall, with a pale disc behind the head: what the other parts cover."""
    at, colour = look.frame, ramp(look.factors["backdrop"], BACKDROP)
    canvas = blank(at, colour, *PARTS)
    disc = ellipse(at.moved(0.0, 0.02), 0.8, 0.8)
    canvas = canvas.paint(WHITE, 0.38 * look.fill(disc))
    return canvas.paint(WHITE, 0.25 * glow(at.moved(0.0, -0.3), 0.8, 0.8))


def _silhouette(look: Look) -> jax.Array:
    """All of the hair: a dome on the skull, and what falls from it."""
    end = 0.42 + 0.38 * look.factors["hair_length"]
    dome = ellipse(look.head.moved(0.0, -0.21), look.width + 0.085, 0.49)
    top = -0.22
    flare = 0.07 * (look.head.y - top)
    half = 0.5 * (end - top)
    fall = box(
        look.head.moved(0.0, 0.5 * (end + top)), look.width + 0.06 + flare, half, 0.12
    )
    return join(dome, fall, 0.06)


def _hair_behind(canvas: Canvas, look: Look) -> Canvas:
    # as bright as the hair in front where both share an edge, in the shade below
    shade = 0.68 + 0.32 * jax.nn.sigmoid(-12 * (look.head.y + 0.1))
    return canvas.paint(shaded(look.hair, shade), look.fill(_silhouette(look)), "hair")


def _shoulders(canvas: Canvas, look: Look) -> Canvas:
    body, light = look.body, look.factors["light"]
    torso = box(body.moved(0.0, 1.2), 0.74, 0.53, 0.42)
    shade = 1 + 0.12 * light * body.x - 0.12 * (body.y - 0.8)
    canvas = canvas.paint(shaded(look.sweater, shade), look.fill(torso), "sweater")

    neckline = ellipse(body.moved(0.0, 0.66), 0.225, 0.13)
    collar = ellipse(body.moved(0.0, 0.67), 0.285, 0.185)
    collar = cut(collar, body.y - 0.67, 0.02)
    canvas = canvas.paint(0.84 * look.sweater, look.fill(collar), "sweater")
    neck = join(box(body.moved(0.0, 0.4), 0.135, 0.33, 0.05), neckline, 0.1)
    canvas = canvas.paint(0.93 * look.skin, look.fill(neck), "skin")
    shadow = ellipse(look.head.moved(0.0, 0.25), 0.8 * look.width, 0.34)
    under = look.fill(neck) * cover(shadow, 0.05)
    return canvas.paint(_in_shadow(look.skin, 0.72), under)


def _in_shadow(skin: jax.Array, amount: float) -> jax.Array:
    """Skin in shadow turns redder as well as darker."""
    return skin * jnp.asarray((amount**0.8, amount**1.15, amount**1.1), skin.dtype)


def _ears(canvas: Canvas, look: Look) -> Canvas:
    at = look.head.moved(-0.05 * look.factors["yaw"], 0.06).folded()
    at = at.moved(look.width, 0.0)
    canvas = canvas.paint(0.96 * look.skin, look.fill(ellipse(at, 0.075, 0.1)), "skin")
    inner = ellipse(at.moved(0.012, 0.0), 0.038, 0.058)
    return canvas.paint(_in_shadow(look.skin, 0.8), cover(inner, 0.03))


def _skull(look: Look) -> jax.Array:
    dome = ellipse(look.head.moved(0.0, -0.12), look.width, 0.46)
    jaw = ellipse(
        look.head.moved(0.02 * look.factors["yaw"], 0.16), 0.83 * look.width, 0.335
    )
    return join(dome, jaw, 0.2)


def _head(canvas: Canvas, look: Look) -> Canvas:
    skull, light = _skull(look), look.factors["light"]
    shade = 1.0 + 0.12 * light * look.head.x / look.width
    inside = look.fill(skull)
    canvas = canvas.paint(shaded(look.skin, shade), inside, "skin")
    # the side away from the light: inside the head, outside a head moved to the light
    moved = look._replace(head=look.head.moved(0.21 * light, -0.03))
    away = 1 - cover(_skull(moved), 0.16)
    canvas = canvas.paint(_in_shadow(look.skin, 0.76), 0.75 * inside * away)
    hanging = cover(_fringe(look) - 0.05, 0.14)
    return canvas.paint(_in_shadow(look.skin, 0.7), 0.5 * inside * hanging)


def _cheeks(canvas: Canvas, look: Look) -> Canvas:
    lift = 0.03 * look.factors["smile"]
    at = look.front.folded().moved(0.225, 0.16 - lift)
    blush = look.skin * jnp.asarray((1.0, 0.62, 0.6), look.skin.dtype)
    return canvas.paint(blush, 0.42 * glow(at, 0.1, 0.075))


def _beard(canvas: Canvas, look: Look) -> Canvas:
    x, y = look.front
    side = jax.nn.relu(jnp.abs(x) - 0.13)
    level = 0.195 - 4.6 * side**2
    above = (level - y) / jnp.sqrt(1 + (9.2 * side) ** 2)
    # over the lip, and a little beyond the jaw
    shape = cut(_skull(look) - 0.012, -above, 0.03)
    present = cover(-look.factors["beard"], 2.0)
    colour = mix(0.74 * look.hair, (0.2, 0.12, 0.1), 0.3)
    shade = 1.05 - 0.5 * jax.nn.relu(y - 0.3)
    return canvas.paint(
        shaded(colour, shade), present * cover(shape, 2 * look.pixel), "beard"
    )


def _nose(canvas: Canvas, look: Look) -> Canvas:
    at = look.front.moved(0.05 * look.factors["yaw"], 0.135)
    # most of it is skin that only its shine and shadow tell from the cheeks
    canvas = canvas.claim(
        cover(ellipse(at.moved(0.0, -0.06), 0.06, 0.12), 0.03), "nose"
    )
    bridge = glow(at.moved(0.0, -0.1), 0.035, 0.11)
    canvas = canvas.paint(WHITE, 0.12 * bridge)
    tip = stroke(at, 0.028 - 9.0 * at.x**2, 0.058, 0.016)
    canvas = canvas.paint(_in_shadow(look.skin, 0.66), look.fill(tip), "nose")
    shine = glow(at.moved(0.0, -0.012), 0.022, 0.018)
    return canvas.paint(WHITE, 0.4 * shine)


def _mouth(canvas: Canvas, look: Look) -> Canvas:
    smile = 0.4 + look.factors["smile"]
    half = 0.135 + 0.022 * smile
    at = look.front.moved(0.0, 0.265)
    arch = 1 - (at.x / half) ** 2
    # laughing opens the mouth, smoothly from a closed line
    gap = 0.07 * jax.nn.softplus(6 * (smile - 0.65)) / 3
    upper = 0.055 * smile * (arch - 0.6)
    lower = upper + gap * arch
    steep = jnp.sqrt(1 + (2 * (0.055 * smile + gap) * at.x / half**2) ** 2)
    between = jnp.maximum(upper - at.y, at.y - lower) / steep

    lips = mix(look.skin, (0.72, 0.22, 0.27), 0.75)
    canvas = canvas.paint(lips, look.fill(between - 0.021 * arch), "mouth")
    opening = look.fill(jnp.maximum(between + 0.002, jnp.abs(at.x) - half))
    canvas = canvas.paint((0.36, 0.10, 0.14), opening, "mouth")
    middle = at.moved(0.0, 0.022 * smile + 1.15 * gap)
    tongue = ellipse(middle, 0.08, 0.01 + 0.5 * gap)
    canvas = canvas.paint((0.88, 0.42, 0.43), opening * cover(tongue, 0.02), "mouth")
    teeth = jnp.maximum(at.y - upper - 0.42 * gap * arch, between + 0.008)
    return canvas.paint((0.99, 0.98, 0.96), opening * look.fill(teeth), "mouth")


def _eyes(canvas: Canvas, look: Look) -> Canvas:
    openness, gaze = look.factors["eyes"], look.factors["gaze"]
    side = jnp.sign(look.front.x)
    at = look.front.folded().moved(0.165 + 0.02 * look.factors["width"], 0.03)
    half = 0.092
    arch = 1 - (at.x / half) ** 2
    upper = -(0.052 + 0.047 * openness) * arch
    lower = (0.037 + 0.013 * openness) * arch
    white = jnp.maximum(jnp.maximum(upper - at.y, at.y - lower), jnp.abs(at.x) - half)
    inside = look.fill(white)

    canvas = canvas.paint((0.99, 0.98, 0.97), inside, "eyes")
    ball = at.moved(0.042 * gaze * side, 0.0)
    iris = ellipse(ball, 0.058, 0.061)
    canvas = canvas.paint((0.17, 0.24, 0.30), inside * look.fill(iris), "eyes")
    canvas = canvas.paint(
        (0.30, 0.52, 0.56), inside * cover(iris + 0.014, 0.03), "eyes"
    )
    pupil = ellipse(ball, 0.028, 0.03)
    canvas = canvas.paint((0.07, 0.07, 0.10), inside * look.fill(pupil), "eyes")
    lidded = inside * cover(at.y - upper - 0.02, 0.03)
    canvas = canvas.paint((0.25, 0.2, 0.3), 0.35 * lidded)
    spark = Points(ball.x * side, ball.y).moved(0.02 * look.factors["light"], -0.022)
    shine = ellipse(spark, 0.015, 0.015)
    canvas = canvas.paint(WHITE, 0.95 * inside * look.fill(shine), "eyes")

    lid = stroke(at.moved(0.006, 0.0), upper, half + 0.016, 0.017)
    canvas = canvas.paint((0.14, 0.10, 0.12), look.fill(lid), "eyes")
    crease = stroke(at, upper - 0.042, half - 0.01, 0.008)
    return canvas.paint(_in_shadow(look.skin, 0.72), 0.6 * look.fill(crease), "eyes")


def _brows(canvas: Canvas, look: Look) -> Canvas:
    at = look.front.folded().moved(0.172 + 0.02 * look.factors["width"], -0.115)
    slope = 0.1 + 0.34 * look.factors["brows"]
    level = slope * at.x + 3.5 * at.x**2
    brow = stroke(at, level - 0.012, 0.105, 0.02)
    colour = mix(0.62 * look.hair, (0.2, 0.12, 0.1), 0.3)
    return canvas.paint(colour, look.fill(brow), "brows")


def _fringe(look: Look) -> jax.Array:
    """How far below the hairline a pixel lies: two sweeps that meet at the parting."""
    parting = 0.2 * look.factors["parting"]
    x = look.front.x - parting
    reach = look.width + 0.03 - parting * jnp.tanh(x / 0.02)
    t = jnp.clip(1 - jnp.abs(x) / reach, 0, 1)
    level = -0.13 - 0.36 * t * t
    steep = jnp.sqrt(1 + (0.72 * t / reach) ** 2)
    return (look.head.y - level) / steep


def _hair_in_front(canvas: Canvas, look: Look) -> Canvas:
    temple = 0.9 * look.width - 0.05 * look.head.y
    window = jnp.abs(look.front.x) - temple
    opening = -join(-window, _fringe(look), 0.12)
    hair = cut(_silhouette(look), opening, 0.02)
    light = look.factors["light"]
    at = look.head.moved(0.0, -0.17)
    shade = 1.02 + 0.12 * light * at.x - 0.22 * at.y
    canvas = canvas.paint(shaded(look.hair, shade), look.fill(hair), "hair")
    ring = ellipse(at, look.width + 0.085, 0.53)
    band = jnp.exp(-(((ring + 0.14) / 0.045) ** 2))
    spot = glow(at.moved(0.2 * light, -0.35), 0.26, 0.3)
    gloss = 0.5 * band * spot * cover(hair + 0.02, 0.04)
    return canvas.paint(mix(look.hair, (1.0, 0.95, 0.9), 0.55), gloss)


def _glasses(canvas: Canvas, look: Look) -> Canvas:
    opacity = jax.nn.sigmoid(9 * (look.factors["glasses"] - 0.3))
    centre = 0.172 + 0.02 * look.factors["width"]
    at = look.front.folded()
    lens = box(at.moved(centre, 0.035), 0.13, 0.115, 0.09)
    rim = jnp.abs(lens) - 0.013
    bridge = stroke(at, 4.0 * at.x**2 - 0.01, 0.08, 0.016)
    arm = box(at.moved(0.5 * (centre + 0.13 + look.width), -0.005), 0.06, 0.014, 0.01)
    frame = jnp.minimum(jnp.minimum(rim, arm), bridge)
    canvas = canvas.paint(
        (0.93, 0.97, 1.0), 0.16 * opacity * look.fill(lens), "glasses"
    )
    return canvas.paint((0.16, 0.14, 0.19), opacity * look.fill(frame), "glasses")


OVER = {
    "hair behind": _hair_behind,
    "shoulders": _shoulders,
    "ears": _ears,
    "head": _head,
    "cheeks": _cheeks,
    "beard": _beard,
    "nose": _nose,
    "mouth": _mouth,
    "eyes": _eyes,
    "brows": _brows,
    "hair": _hair_in_front,
    "glasses": _glasses,
}
"""What is painted over the backdrop, back to front: (canvas, look) -> canvas."""
