"""Generators of genforce's classes whose weights are recorded beside their outputs."""

import functools

from helpers import golden

from converters import progan_genforce, stylegan2_genforce, stylegan_genforce
from converters.entries import Entry
from converters.plans import assemble
from jaxlatent.generators.base import Generator

LAYOUTS = {
    "sefa_stylegan2_a": stylegan2_genforce,
    "sefa_stylegan_a": stylegan_genforce,
    "sefa_pggan_a": progan_genforce,
}


@functools.cache
def recorded(name, dtype="float32"):
    """A recorded generator, and the arrays."""
    arrays = golden(name)
    state = {
        key.removeprefix("param/"): value.astype(dtype)
        for key, value in arrays.items()
        if key.startswith("param/")
    }
    plan = LAYOUTS[name].plan(Entry(state), part="generator", config=None)
    return Generator(assemble(plan, dtype=dtype), plan.config), arrays
