"""Disentanglement of codes whose factors are known, as a command."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxlatent.cli import arguments
from jaxlatent.cli.options import group, option
from jaxlatent.cli.progress import progress_bar
from jaxlatent.evaluation.disentanglement import (
    check_metrics,
    disentanglement_scores,
    read_representation,
    score_table,
    scores_to_json,
    steps_of,
)
from jaxlatent.evaluation.disentanglement_across_models import agreement, read_models
from jaxlatent.evaluation.disentanglement_bench import Settings, prepare
from jaxlatent.evaluation.disentanglement_metrics import STUDY
from jaxlatent.runs import Run, plain

FILE, ACROSS = "disentanglement.json", "udr.json"
SettingsGroup = Annotated[Settings, group("setting")]
ORIGINAL = Settings()


def disentanglement(
    file: Annotated[Path, tyro.conf.Positional, option("FILE")],
    *,
    out: Annotated[Path, option("DIR")],
    metrics: Annotated[str, option("NAMES")] = ",".join(STUDY),
    settings: SettingsGroup = ORIGINAL,
    seed: int = 0,
) -> None:
    """Tell whether each code stands for one factor: MIG, DCI, SAP, FactorVAE and more.

    Args:
        file: An .npz with codes [N, C] and factors [N, F] of the same pictures.
        out: The folder for the results.
        metrics: Which, separated by commas; also downstream, fairness, unified.
        settings: How they are measured; the study's sizes by default.
        seed: Of all that is drawn and fitted.
    """
    run = Run(out, "disentanglement", locals())
    names = metrics.split(",")
    check_metrics(names)
    found = read_representation(file)
    bench = prepare(*found, settings, seed=arguments.check_seed(seed))
    with progress_bar("scoring", steps_of(names, settings), unit="table") as progress:
        scores = disentanglement_scores(
            *found, names, settings, seed=seed, progress=progress
        )
    record = {
        "rows": len(bench.codes),
        "codes": bench.codes.shape[1],
        "active_codes": bench.active,
        "factor_values": [int(number) + 1 for number in bench.factors.max(axis=0)],
        "scores": scores_to_json(scores),
    }
    run.file(FILE).write_text(json.dumps(record, indent=1) + "\n")
    run.finish(None, inputs=(file,))
    print(
        f"{record['codes']} codes, {record['active_codes']} of them not constant; "
        f"factors of {', '.join(map(str, record['factor_values']))} values"
    )
    print("\n".join(score_table(scores)))
    print((out / FILE).resolve())


def udr(
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, option("FILE")],
    *,
    out: Annotated[Path, option("DIR")],
    by: Literal["lasso", "spearman"] = "lasso",
    seed: int = 0,
) -> None:
    """Tell which of several models disentangles without factors: UDR.

    Args:
        files: An .npz of each model with codes [N, C] of the same pictures, and, where
            it is known, the divergence [C] of each code from its prior in nats.
        out: The folder for the results.
        by: What is told from each other: coefficients of a lasso, or rank correlations.
        seed: Of the lasso.
    """
    run = Run(out, "udr", locals())
    models = read_models(files)
    with progress_bar("comparing"):
        found = agreement(*models, by, seed=arguments.check_seed(seed))
    record = {
        "scores": dict(zip(map(str, files), found.score.tolist(), strict=True)),
        "pairwise": found.pairwise.tolist(),
    }
    run.file(ACROSS).write_text(json.dumps(plain(record), indent=1) + "\n")
    run.finish(None, inputs=files)
    for file, score in zip(files, found.score, strict=True):
        print(f"{score:8.4f}  {file}")
    print((out / ACROSS).resolve())
