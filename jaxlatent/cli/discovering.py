"""The methods as commands, one function each: directions found, drawn and written."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxlatent.cli import arguments, inputs, scores
from jaxlatent.cli.devices import ONE_DEVICE, DevicesGroup, open_mesh
from jaxlatent.cli.drawing import Moves, draw_edit
from jaxlatent.cli.options import (
    AS_IT_IS,
    DRAWN,
    Choice,
    Codes,
    CodesGroup,
    Flag,
    GeneratorText,
    Layers,
    Number,
    Out,
    ReadingGroup,
    ScoredWith,
    Strengths,
    option,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.collectives import agree
from jaxlatent.edits.directions import Directions
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.methods import ganspace, interfacegan, sefa

Order = Annotated[Literal["before", "after"], tyro.conf.arg(help_behavior_hint="")]


def discover_sefa(
    generator: GeneratorText,
    out: Out,
    *,
    layers: Annotated[str, option("ROWS")] = "all",
    num: Number = 5,
    formula: Flag = False,
    order: Literal["descending", "lapack"] = "descending",
    strengths: Strengths = "-3:3:7",
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """SeFa: directions from the weights alone, drawn as a page of pictures.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        layers: Rows of w+ to factorise and edit: all, or such as 0-1 or 2-5,8.
        num: How many directions.
        formula: Follow the paper's formula, without unit style channels.
        order: By eigenvalue, or as the original code's solver returns them.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    run = Run(out, "discover sefa", dict(locals()))
    model = inputs.open_generator(generator, reading, start.truncation)
    rows = inputs.choose_layers(layers, model)
    arguments.at_least_one(num, "--num")
    with arguments.naming(k="--num", affines="GENERATOR", layers="--layers"):
        edit = sefa.discover(
            model, layers=rows, normalize=not formula, k=num, order=order
        )
    draw_edit(
        run,
        model,
        {"sefa.npz": edit},
        range(len(edit)),
        Moves(strengths),
        start,
        chunk=chunk,
        name=generator,
        title=f"SeFa directions of {inputs.generator_name(generator)}",
        lines=(
            "Each row moves a code along one eigenvector of the generator's own affine "
            "weights; the column of strength 0 is the code itself.",
        ),
    )


def discover_ganspace(
    generator: GeneratorText,
    out: Out,
    *,
    layer: Annotated[str | None, option("NAME")] = None,
    edit: Literal["latent", "activation", "both"] = "latent",
    regress: Annotated[
        Literal["z", "w"] | None, tyro.conf.arg(help_behavior_hint="")
    ] = None,
    layers: Annotated[str, option("ROWS")] = "all",
    samples: Annotated[int | None, option("N")] = None,
    components: Annotated[int | None, option("K")] = None,
    estimator: Annotated[
        Literal["exact", "randomized", "incremental", "ica", "sparse"] | None,
        tyro.conf.arg(help_behavior_hint=""),
    ] = None,
    passes: Number = 2,
    resample: Flag = False,
    seed: Number = 0,
    batch: Annotated[int | None, option("N")] = None,
    num: Number = 5,
    strengths: Strengths = "-2:2:5",
    absolute: Flag = False,
    truncate: Order = "after",
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """GANSpace: principal components of w or of a layer, drawn as a page of pictures.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        layer: What to decompose: w, or the name of a layer; w if there is one.
        edit: What to move: the latent, the layer's activation, or both together.
        regress: The latent behind the components of a layer; w if there is one, else z.
        layers: Rows of w+ to edit: all, or such as 0-1 or 2-5,8.
        samples: Codes to learn from; 1000000 for w and 20000 for a layer if left out.
        components: Components to keep; 80 at most if left out.
        estimator: Exact, or randomized beyond 8192 dimensions, if left out.
        passes: Over the codes, for the randomized estimator.
        resample: Regress on fresh codes without intercept, as the original.
        seed: Of the codes to learn from.
        batch: Codes per compiled call while learning.
        num: How many components to draw.
        strengths: Columns in standard deviations: start:stop:count, or such as -2,0,2.
        absolute: Move coordinates to the strengths instead of by them.
        truncate: Truncate w before the edit or after it, as the original.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes learn and draw.
    """
    run = Run(out, "discover ganspace", dict(locals()))
    mesh = open_mesh(devices, run.arguments)
    model = inputs.open_generator(generator, reading, start.truncation)
    agree(model, "GENERATOR")
    rows = inputs.choose_layers(layers, model)
    for value, name in ((num, "--num"), (passes, "--passes")):
        arguments.at_least_one(value, name)
    of_latent = layer in (None, "w")
    if of_latent and (regress or edit != "latent"):
        given = "--regress" if regress else "--edit"
        raise ValueError(f"{given}: given for components of w; --layer names a layer")
    latent: str | None = None if of_latent else regress or model.latent_space
    if rows is not None and edit == "activation":
        raise ValueError("--layers: given for an edit of activations alone")
    count = ganspace.default_num(layer) if samples is None else samples
    with (
        arguments.naming(
            layer="--layer",
            regress="--regress",
            names="--layer",
            k="--components",
            num="--samples",
            estimator="--estimator",
            passes="--passes",
        ),
        progress_bar("learning", count, unit="code") as progress,
    ):
        found = ganspace.decompose(
            ganspace.generator_source(
                model, layer=layer, regress=latent, label=_one_class(start, model)
            ),
            num=count,
            k=components,
            estimator=estimator,
            key=jax.random.key(arguments.seed(seed, "--seed")),
            regressed=latent is not None,
            resample=resample,
            passes=passes,
            chunk=None if batch is None else arguments.at_least_one(batch, "--batch"),
            mesh=mesh,
            progress=progress,
        )
    owner = fingerprint(model)
    edits: dict[str, Directions] = {}
    if edit != "activation":
        build = ganspace.feature_directions if of_latent else ganspace.latent_directions
        edits["ganspace.npz"] = build(
            found, space=latent or "w", layers=rows, generator=owner
        )
    if edit != "latent":
        edits["ganspace_activation.npz"] = ganspace.feature_directions(
            found, space=f"feature:{layer}", generator=owner
        )
    where = "w" if of_latent else f"layer {layer}"
    share = float(np.sum(found.components.variance_ratio))
    draw_edit(
        run,
        model,
        edits,
        range(min(num, len(found.components.stdev))),
        Moves(strengths, absolute, truncate),
        start,
        chunk=chunk,
        name=generator,
        title=f"GANSpace components of {inputs.generator_name(generator)}",
        lines=(
            f"Principal components of {where} over {count} codes; the "
            f"{len(found.components.stdev)} that were kept explain {share:.1%} of its "
            "variance. Strengths are standard deviations.",
        ),
        mesh=mesh,
    )


def discover_interfacegan(
    generator: GeneratorText,
    out: Out,
    *,
    scorer: ScoredWith = (),
    scores_file: Annotated[
        Path | None,
        tyro.conf.arg(name="scores", metavar="FILE", help_behavior_hint=""),
    ] = None,
    codes: Annotated[Path | None, option("FILE")] = None,
    attribute: Annotated[str | None, option("COLUMNS")] = None,
    odds: Flag = False,
    space: Annotated[Choice | None, tyro.conf.arg(help_behavior_hint="")] = None,
    samples: Number = 10_000,
    seed: Number = 0,
    chosen: Annotated[float, option("SHARE")] = 0.02,
    split: Annotated[float, option("SHARE")] = 0.7,
    invalid: Annotated[float | None, option("SCORE")] = None,
    penalty: Annotated[float, option("C")] = 1.0,
    layers: Layers = None,
    strengths: Strengths = "-3:3:7",
    relative: Flag = False,
    truncate: Order = "after",
    chunk: Number = 8,
    seeds: Annotated[str | None, option("SEEDS")] = None,
    label: Annotated[str | None, option("CLASS")] = None,
    truncation: Annotated[float | None, option("PSI")] = None,
    cutoff: Annotated[int | None, option("ROWS")] = None,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """InterFaceGAN: a boundary for each score of the pictures, drawn as a page.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        scorer: What scores the pictures that are drawn: a converted network's
            checkpoint file, module:function, or a formula such as brightness.
        scores_file: Scores to learn from instead: what score wrote, .npy, .npz or .pt.
        codes: The codes that those scores belong to, where the file holds none.
        attribute: Which scores, by number or name, such as 8 or 0-3; all if left out.
        odds: Log-odds of each class against the others, from a classifier's outputs.
        space: Where to put the boundary; w if there is one, else z.
        samples: Codes to draw and score.
        seed: Of those codes.
        chosen: Share of the codes on each side, or their number if above 1.
        split: Share of them that trains; the others validate.
        invalid: Leave out codes of exactly this score.
        penalty: C of the support vector machine.
        layers: Rows of w+ to shift: all, or such as 0-1.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        relative: Move by the strengths; otherwise z and w are moved to them.
        truncate: Truncate w before the edit or after it, as the original.
        chunk: Pictures per compiled call; less needs less memory.
        seeds: Draw the edit of codes with these seeds, such as 0,4-6.
        label: The class to draw.
        truncation: Pull w towards its mean by this factor.
        cutoff: Truncate only the first rows of w+.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    run = Run(out, "discover interfacegan", dict(locals()))
    model = inputs.open_generator(generator, reading, truncation)
    rows = inputs.choose_layers(layers, model)
    start = Codes(seeds, label=label, truncation=truncation, cutoff=cutoff)
    inputs.start_codes(start, model)  # its options are wrong before hours are spent
    if scores_file is None:
        if codes is not None:
            raise ValueError("--codes: given without --scores")
        table = scores.score_generator(
            model,
            scorer,
            start,
            samples=samples,
            seed=seed,
            odds=odds,
            chunk=max(chunk, 32),
        )
    elif scorer or odds:
        given = "--scorer" if scorer else "--odds"
        raise ValueError(f"{given}: given together with --scores")
    else:
        table = scores.load(scores_file)
    whole = table
    with arguments.naming(attribute="--attribute"):
        table = scores.choose(whole, attribute)
    where: str = space or model.latent_space
    latent = scores.codes_of(table, model, space=where, codes=codes)
    with arguments.naming(
        chosen="--chosen", split="--split", scores="--scores", codes="--codes"
    ):
        edit = interfacegan.interfacegan(
            latent,
            table.values,
            key=jax.random.key(arguments.seed(seed, "--seed")),
            chosen=chosen,
            split=split,
            invalid=invalid,
            penalty=penalty,
            space=where,
            names=table.names,
            generator=fingerprint(model),
        )
    edit = dataclasses.replace(edit, layers=rows)
    if scores_file is None:
        scores.save(run.file(scores.FILE), whole, with_codes=False)
    absolute = not relative and where != "w+"
    draw_edit(
        run,
        model,
        {"interfacegan.npz": edit},
        range(len(edit)),
        Moves(strengths, absolute, truncate),
        start,
        chunk=chunk,
        name=generator,
        title=f"InterFaceGAN boundaries of {inputs.generator_name(generator)}",
        lines=(
            f"Each row moves codes across the boundary between the highest and the "
            f"lowest of {len(table.values)} scores. "
            + (
                "Strengths are distances from the boundary."
                if absolute
                else "Strengths are steps at right angles to the boundary."
            ),
        ),
        read=(scores_file, codes, *(Path(one) for one in scorer)),
        boundaries=[
            {
                "name": name,
                **{key: float(values[i]) for key, values in edit.report.items()},
            }
            for i, name in enumerate(edit.names)
        ],
    )


def _one_class(start: Codes, model: Generator) -> jax.Array | None:
    """The class whose codes are learned from; None for an unconditional generator."""
    labels = inputs.classes(start, model, 1)
    return None if labels is None else jnp.asarray(labels[0])
