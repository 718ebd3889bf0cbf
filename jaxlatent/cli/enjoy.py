"""Enjoy Your Editing as a command."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.cli import arguments, scores
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Regressor,
    RegressorGroup,
    Rows,
    Space,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, check_move
from jaxlatent.evaluation.preservation import Edited, edit_preservation
from jaxlatent.evaluation.scoring import score_shapes
from jaxlatent.gallery.drawing import Heading
from jaxlatent.gallery.plots import Plot
from jaxlatent.latents import sample_keys
from jaxlatent.loading import load
from jaxlatent.methods import enjoy_your_editing as enjoy
from jaxlatent.methods.enjoy_your_editing_settings import PRESETS, Settings
from jaxlatent.networks.distances import (
    FeatureDistance,
    squared_distance,
    vgg_content,
)
from jaxlatent.networks.outputs import Columns, Features
from jaxlatent.networks.vgg import VGG
from jaxlatent.types import Model

PIXELS = "pixels"


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    walk: Literal["global", "local", "scaled"] | None = None
    """One direction to an attribute, a small network of the code, or a vector that the
    code is multiplied with."""
    hidden: Annotated[str | None, option("WIDTHS")] = None
    """Widths of a network's hidden layers, such as 64,64."""
    length: float | None = None
    """Of a network's every step."""
    joint: Literal["yes", "no"] | None = None
    """Whether attributes change together, or each is learned as if alone."""
    epsilon: Literal["paper", "stylegan_repo"] | None = None
    """Whose rule draws wanted changes."""
    drawn: Annotated[str | None, option("LOW,HIGH")] = None
    """Least and largest change, such as -1,1."""
    margin: float | None = None
    """How far from 0 and 1 predictions are kept."""
    regression_weight: float | None = None
    """Of the regression loss."""
    discriminator_weight: float | None = None
    """Of the discriminator's loss."""
    content_weight: float | None = None
    """Of the content loss."""
    learning_rate: float | None = None
    """Of Adam."""

    def applied(self, settings: Settings, layers: Any) -> Settings:
        """Settings with those of these in their place that are given."""
        given = dict(vars(self))
        given["drawn"] = arguments.parse_ends(self.drawn, "drawn")
        if self.hidden is not None:
            given["hidden"] = arguments.parse_numbers(self.hidden, "hidden")
        if self.joint is not None:
            given["joint"] = self.joint == "yes"
        known = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(settings, layers=layers, **known)


@dataclasses.dataclass(frozen=True)
class Others:
    """The models beside the regressor."""

    discriminator: Path | None = None
    """The generator's discriminator: a checkpoint file."""
    content: Annotated[str | None, option("FILE")] = None
    """What tells how alike pictures are: pixels, a VGG's file, a whole LPIPS module's,
    or another network's with content_layers."""
    content_layers: Annotated[str | None, option("NAMES")] = None
    """Activations of that network to compare, such as c1,c3."""
    embedding: Path | None = None
    """A network whose activation tells whether the subject is still the same."""
    embedding_layer: Annotated[str, option("NAME")] = "avgpool"
    """Which activation of it."""


def discover_enjoy(
    job: JobGroup,
    *,
    preset: Literal["quick", "paper", "paper_multi", "stylegan_repo"] = "quick",
    learned_space: Space = None,
    layers: Rows = None,
    held_out: int = 64,
    changes: Annotated[Changes, group("setting")] = Changes(),
    regressor: RegressorGroup = Regressor(),
    others: Annotated[Others, group("model")] = Others(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page("-1:1:7"),
) -> None:
    """Enjoy Your Editing: directions that change attributes by their strengths.

    Args:
        job: What to work on; label "every" learns from all classes.
        preset: The paper's settings for one attribute or several, those of its
            StyleGAN2 code, or minutes on a CPU.
        learned_space: Where codes move; z if left out.
        layers: Rows of w+ that move, such as 4-7; all if left out.
        held_out: Unseen codes whose attributes are measured along the edit.
        changes: What replaces the preset's settings.
        regressor: The attributes that are to be changed.
        others: What else looks at pictures.
        training: How long to learn.
        page: How the edit is drawn; strengths are wanted changes of the attribute.
    """
    session = Session.open(job, "discover enjoy", locals())
    arguments.at_least_one(held_out, "held_out")
    rows = session.check(page, learned_space or "z", layers)
    name, model = scores.open_regressor(regressor)
    columns = _columns(session, name, model, regressor.attribute)
    discriminator = others.discriminator and load(
        others.discriminator, part="discriminator"
    )
    judges = enjoy.judges(
        model if columns is None else Columns(model, jnp.asarray(columns)),
        discriminator,
        open_content(others),
    )
    embedding = others.embedding and Features(
        load(others.embedding, part="network"), others.embedding_layer
    )
    chosen = PRESETS[preset]
    settings = changes.applied(chosen.settings, rows)
    method = enjoy.learner(
        session.generator,
        judges,
        dataclasses.replace(chosen, settings=settings),
        space=learned_space or "z",
        label=session.label,
        truncation=session.truncation,
    )
    check_move(page, method.edit(method.init(jax.random.key(0))))
    if embedding:
        score_shapes(session.generator, {"embedding": embedding}, session.label)
    fitted = session.fit(method, training, steps=chosen.steps, batch=chosen.batch)
    names = [name] if columns is None else [str(column) for column in columns]
    edit: Any = enjoy.finished(method, fitted).rename(dict(enumerate(names)))
    keys = sample_keys(session.held_out_key(training), np.arange(held_out))
    found = {
        label: edit_preservation(
            session.generator,
            edit,
            model,
            method.prior(keys),
            np.linspace(-1, 1, 9).tolist(),
            index=index,
            attribute=0 if columns is None else columns[index],
            embedding=embedding or None,
            mesh=session.mesh,
        )
        for index, label in enumerate(names)
    }
    lines = ["Strengths are wanted changes of the attribute."]
    lines += [told(label, edited) for label, edited in found.items()]
    plots = [change_plot(label, edited) for label, edited in found.items()]
    session.draw(
        {"enjoy.npz": edit},
        page,
        Heading(
            f"Enjoy Your Editing of {session.name}: {', '.join(names)}",
            lines,
            plots=[*plots, *session.keep_losses(fitted)],
        ),
        range(len(names)),
        read=[*regressor.scorer, *_files(others)],
        preprocessing=scores.preprocessing({name: model}),
    )


def _columns(
    session: Session, name: str, model: Model, attribute: str | None
) -> tuple[int, ...] | None:
    """The chosen outputs of a regressor; None for one that has no columns."""
    (shape,) = score_shapes(session.generator, {name: model}, session.label).values()
    if len(shape) == 1:
        if attribute is not None:
            raise ValueError(
                f"attribute: {attribute!r} given; none is accepted, for {name} returns "
                "one score"
            )
        return None
    if attribute is None:
        return tuple(range(shape[1]))
    numbers = arguments.parse_numbers(attribute, "attribute")
    if max(numbers) >= shape[1]:
        raise ValueError(
            f"attribute: {max(numbers)} given; 0 to {shape[1] - 1} of {name} are "
            "accepted"
        )
    return numbers


def open_content(others: Others) -> Model | None:
    """The content distance that the options ask for, None for none.

    Raises:
        ValueError: for a network that is no VGG, without layers.
    """
    text, layers = others.content, others.content_layers
    if text is None or text == PIXELS:
        arguments.refuse(others, ", but no network is content", "content_layers")
        return squared_distance if text else None
    try:
        network = load(text, part="network")
    except ValueError as error:
        import converters

        try:
            return converters.load_lpips(text)
        except (ValueError, OSError):
            raise ValueError(f"content: {error}") from error
    if layers is not None:
        return FeatureDistance(network, tuple(layers.split(",")))
    if not isinstance(network.module, VGG):
        raise ValueError(
            f"content_layers: missing; {text} is a {type(network.module).__name__}, "
            "and only a VGG's layers are known"
        )
    return vgg_content(network)


def _files(others: Others) -> list[Any]:
    named = (others.discriminator, others.content, others.embedding)
    return [one for one in named if one is not None and str(one) != PIXELS]


def told(name: str, edited: Edited) -> str:
    """What an edit does to its attribute and to everything else, in words."""
    slope = edited.slope
    found = edited.binned()
    parts = []
    for low, high, count, others, same in zip(
        found.edges[:-1],
        found.edges[1:],
        found.count,
        found.others,
        found.identity,
        strict=True,
    ):
        if not count:
            continue
        words = [f"{count} pictures changed by {low:g} to {high:g}"]
        words += [f"others by {others:.2g}"] * bool(np.isfinite(others))
        words += [f"identity {same:.3f}"] * bool(np.isfinite(same))
        parts.append(", ".join(words))
    return f"{name}: {slope:.2g} per unit over unseen codes. {'; '.join(parts)}."


def change_plot(name: str, edited: Edited) -> Plot:
    """The changes of an attribute and of all others, over the strengths."""
    mean, std = edited.change.mean(axis=0), edited.change.std(axis=0)
    curves = {name: mean, "others": edited.others.mean(axis=0)}
    if not np.isfinite(edited.others).all():
        del curves["others"]
    band = {name: (mean - std, mean + std)}
    return Plot(f"Change of {name}", edited.strengths, curves, band, "strength")
