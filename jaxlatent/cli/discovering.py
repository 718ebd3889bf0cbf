"""SeFa, GANSpace and InterFaceGAN as commands: directions found, drawn and written."""

from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from jaxlatent.cli import arguments, scores
from jaxlatent.cli.options import (
    EVERY_SCORE,
    JobGroup,
    Page,
    PageGroup,
    Rows,
    ScoringGroup,
    Space,
    group,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.editing import feature_of
from jaxlatent.evaluation import tables
from jaxlatent.gallery.drawing import Heading
from jaxlatent.loading import guess_latents
from jaxlatent.methods import ganspace, interfacegan, sefa
from jaxlatent.methods.interfacegan import Boundary
from jaxlatent.numerics.decomposition import Estimation


def discover_sefa(
    job: JobGroup,
    *,
    layers: Annotated[str, option("ROWS")] = "all",
    k: int = 5,
    normalize: bool = True,
    order: Literal["descending", "lapack"] = "descending",
    page: PageGroup = Page(),
) -> None:
    """SeFa: directions from the weights alone, drawn as a page of pictures.

    Args:
        job: What to work on.
        layers: Rows of w+ to factorise and edit: all, or such as 0-1 or 2-5,8.
        k: How many directions.
        normalize: The paper's formula, without scaling style channels to unit length.
        order: By eigenvalue, or as the original code's solver returns them.
        page: How they are drawn.
    """
    session = Session.open(job, "discover sefa", locals())
    edit = sefa.discover(
        session.generator, layers=layers, k=k, normalize=normalize, order=order
    )
    text = (
        "Each row moves a code along one eigenvector of the generator's own affine "
        "weights; the column of strength 0 is the code itself."
    )
    heading = Heading(f"SeFa directions of {session.name}", [text])
    session.draw({"sefa.npz": edit}, page, heading, range(k))


def discover_ganspace(
    job: JobGroup,
    *,
    layer: Annotated[str | None, option("NAME")] = None,
    edit: Literal["latent", "activation", "both"] = "latent",
    regress: Literal["z", "w"] | None = None,
    layers: Rows = None,
    samples: int | None = None,
    seed: int = 0,
    batch: int | None = None,
    num: int = 5,
    estimation: Annotated[Estimation, group("estimation")] = Estimation(),
    page: PageGroup = Page("-2:2:5", truncate="after"),
) -> None:
    """GANSpace: principal components of w or of a layer, drawn as a page of pictures.

    Args:
        job: What to work on.
        layer: What to decompose: w, or the name of a layer; w if there is one.
        edit: What to move: the latent, the layer's activation, or both together.
        regress: The latent behind the components of a layer; w if there is one, else z.
        layers: Rows of w+ to edit: all, or such as 0-1 or 2-5,8.
        samples: Codes to learn from; 1000000 for w and 20000 for a layer if left out.
        seed: Of the codes to learn from.
        batch: Codes per compiled call while learning.
        num: How many components to draw.
        estimation: How components are estimated.
        page: How they are drawn; strengths are standard deviations.
    """
    session = Session.open(job, "discover ganspace", locals())
    if edit != "activation":
        moved = session.generator.latent_space if layer not in (None, "w") else "w"
        session.check(page, regress or moved)
    count = ganspace.default_samples(layer) if samples is None else samples
    with session.progress("learning", count, "code") as progress:
        edits = ganspace.discover(
            session.generator,
            key=jax.random.key(arguments.check_seed(seed)),
            layer=layer,
            edit=edit,
            regress=regress,
            layers=layers,
            label=session.label,
            samples=count,
            estimation=estimation,
            chunk=batch,
            mesh=session.mesh,
            progress=progress,
        )
    share = float(edits[0].report["variance_ratio"].sum())
    text = (
        f"Principal components of {layer or 'w'} over {count} codes; the "
        f"{len(edits[0])} that were kept explain {share:.1%} of its variance. "
        "Strengths are standard deviations."
    )
    heading = Heading(f"GANSpace components of {session.name}", [text])
    files = {
        "ganspace_activation.npz" if feature_of(one) else "ganspace.npz": one
        for one in edits
    }
    session.draw(files, page, heading, range(min(num, len(edits[0]))))


def discover_interfacegan(
    job: JobGroup,
    *,
    scores_file: Annotated[Path | None, tyro.conf.arg(name="scores")] = None,
    scored_codes: Path | None = None,
    scored_pictures: Annotated[Path | None, option("DIR")] = None,
    space: Annotated[Space, tyro.conf.arg(name="boundary-space")] = None,
    layers: Rows = None,
    scoring: ScoringGroup = EVERY_SCORE,
    boundary: Annotated[Boundary, group("boundary")] = Boundary(),
    page: PageGroup = Page(move="to", truncate="after"),
) -> None:
    """InterFaceGAN: a boundary for each score of the pictures, drawn as a page.

    Args:
        job: What to work on.
        scores_file: Scores or labels to learn from instead: what score wrote, an array
            as .npy, .npz or .pt, a text as .csv, .tsv or .txt.
        scored_codes: The codes that those scores belong to, where the file holds none.
        scored_pictures: The pictures that they belong to; matches rows of a text by
            their names, and finds codes beside them.
        space: Where to put the boundary; w if there is one, else z.
        layers: Rows of w+ to shift: all, or such as 0-1.
        scoring: What scores the pictures that are drawn.
        boundary: How boundaries are fitted.
        page: How they are drawn; strengths are distances from the boundary, or steps.
    """
    session = Session.open(job, "discover interfacegan", locals())
    model = session.generator
    where = space or model.latent_space
    if where not in model.code_spaces:
        raise ValueError(
            f"boundary_space: {where} given; one of {', '.join(model.code_spaces)} is "
            "accepted"
        )
    session.check(page, where, layers)
    if scores_file is None:
        owners = {"scored_codes": scored_codes, "scored_pictures": scored_pictures}
        for name, given in owners.items():
            if given is not None:
                raise ValueError(f"{name}: given without scores")
        count = interfacegan.side_count(scoring.samples, boundary.top_fraction)
        interfacegan.train_count(count, boundary.train_fraction)
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        table = scores.draw_table(session, scoring, scorers)
    else:
        scorers = {}
        drawing = ("scorer", "scorer_config", "odds", "samples")
        arguments.refuse(scoring, " together with scores", *drawing)
        table = scores.read_table(scores_file, scored_pictures)
    if scored_codes is not None:
        latents, guesses = guess_latents(scored_codes, model, default=where)
        session.say([guess.text({}) for guess in guesses])
        table = table.with_codes(latents)
    edit = interfacegan.discover(
        model,
        scores.keep_attributes(table, scoring.attribute),
        boundary,
        key=jax.random.key(arguments.check_seed(scoring.seed)),
        space=where,
        layers=layers,
    )
    if scores_file is None and is_main():
        tables.save_table(session.run.file(scores.FILE), table, with_codes=False)
    ends = "distances from" if page.move == "to" else "steps at right angles to"
    text = (
        "Each row moves codes across the boundary between the highest and the lowest "
        f"of {len(table.values)} scores. Strengths are {ends} the boundary."
    )
    heading = Heading(f"InterFaceGAN boundaries of {session.name}", [text])
    reports = [
        {"name": name, **{key: float(v[i]) for key, v in edit.report.items()}}
        for i, name in enumerate(edit.names)
    ]
    session.draw(
        {"interfacegan.npz": edit},
        page,
        heading,
        range(len(edit)),
        read=(scores_file, scored_codes, *scoring.scorer),
        boundaries=reports,
        preprocessing=scores.preprocessing(scorers),
        reading=table.reading,
    )
