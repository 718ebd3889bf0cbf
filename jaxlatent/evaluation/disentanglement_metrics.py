"""The metrics of a table of codes and factors, by name, each with its ceiling."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement_bench import Bench
from jaxlatent.evaluation.disentanglement_dependence import (
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
    mean_mutual_information,
    robustness,
    wasserstein_ceiling,
)
from jaxlatent.evaluation.disentanglement_information import (
    entropy,
    mutual_information_gap,
)
from jaxlatent.evaluation.disentanglement_interventions import beta_vae, factor_vae
from jaxlatent.evaluation.disentanglement_matrices import (
    AGGREGATIONS,
    completeness,
    disentanglement,
    modularity,
    top_two_gap,
)
from jaxlatent.evaluation.disentanglement_predictors import (
    downstream_accuracy,
    explicitness,
    group_counts,
    squared_correlation,
    unfairness,
)

Values = dict[str, float]


class Metric(NamedTuple):
    """How a metric is computed.

    Attributes:
        measure: a table -> values by name.
        slow: whether it fits or draws much, so that its chance is measured on
            `Settings.refits` tables rather than on `Settings.repeats`.
        ceiling: a table -> ceilings by name, of those that are not 1; None if all are.
        chance: where it is known.
    """

    measure: Callable[[Bench], Values]
    slow: bool = False
    ceiling: Callable[[Bench], Values] | None = None
    chance: float | None = None


def _beta_vae(bench: Bench) -> Values:
    votes = bench.settings.votes
    found = beta_vae(bench.codes, bench.factors, votes, seed=bench.seed)
    return {"beta-vae": found.accuracy}


def _factor_vae(bench: Bench) -> Values:
    votes = bench.settings.votes
    # codes as they are: which of them take part depends on their deviations
    found = factor_vae(bench.given, bench.factors, votes, seed=bench.seed)
    return {"factor-vae": found.accuracy}


def _mig(bench: Bench) -> Values:
    gap = mutual_information_gap(bench.information, entropy(bench.split.factors))
    return {"mig": float(gap.mean())}


def _dci(bench: Bench) -> Values:
    trees = bench.trees
    return {
        "dci disentanglement": disentanglement(trees.importance),
        "dci completeness": completeness(trees.importance),
        "dci informativeness": float(trees.accuracy.mean()),
    }


def _sap(bench: Bench) -> Values:
    return {"sap": top_two_gap(bench.machines)}


def _sap_ceiling(bench: Bench) -> Values:
    return _sap(bench.perfect)


def _sap_continuous(bench: Bench) -> Values:
    found = squared_correlation(bench.split.codes, bench.split.factors)
    return {"sap continuous": top_two_gap(found)}


def _modularity(bench: Bench) -> Values:
    return {"modularity": modularity(bench.information)}


def _explicitness(bench: Bench) -> Values:
    return {"explicitness": float(explicitness(bench.split)[1].mean())}


def _irs(bench: Bench) -> Values:
    codes, factors, *_ = bench.split
    return {"irs": robustness(codes, factors, bench.settings.quantile).score}


def _dependence(bench: Bench) -> Values:
    covariance = np.atleast_2d(np.cov(bench.split.codes.T))
    mean, _ = mean_mutual_information(bench.split.codes, bench.settings.bins)
    wasserstein = gaussian_wasserstein_correlation
    return {
        "total correlation": gaussian_total_correlation(covariance),
        "wasserstein correlation": wasserstein(covariance),
        "wasserstein correlation, normalised": wasserstein(covariance, normalised=True),
        "mutual information": mean,
    }


def _dependence_ceiling(bench: Bench) -> Values:
    covariance = np.atleast_2d(np.cov(bench.split.codes.T))
    _, most = mean_mutual_information(bench.split.codes, bench.settings.bins)
    return {
        "total correlation": float("inf"),
        "wasserstein correlation": wasserstein_ceiling(covariance),
        "wasserstein correlation, normalised": wasserstein_ceiling(
            covariance, normalised=True
        ),
        "mutual information": most,
    }


def _unified(bench: Bench) -> Values:
    matrices = {
        "importance": bench.trees.importance,
        "information": bench.information,
        "machines": bench.machines,
    }
    return {
        f"unified {name}, {how.replace('_', ' ')}": aggregate(matrix)
        for name, matrix in matrices.items()
        for how, aggregate in AGGREGATIONS.items()
    }


def _unified_ceiling(bench: Bench) -> Values:
    most = float(entropy(bench.split.factors).mean())
    return {
        "unified information, top two gap": most,
        "unified machines, top two gap": _sap(bench.perfect)["sap"],
    }


def _downstream(bench: Bench) -> Values:
    split, seed = bench.split, bench.seed
    sizes = sorted(
        {size for size in bench.settings.downstream if size <= len(split.codes)}
    )
    found = {}
    for kind in ("boosted", "logistic"):
        for size in sizes:
            part = split._replace(
                codes=split.codes[:size], factors=split.factors[:size]
            )
            trees = bench.settings.trees
            accuracy = downstream_accuracy(part, kind, trees=trees, seed=seed)
            found[f"downstream {kind}, {size} rows"] = float(accuracy.mean())
    return found


def _fairness(bench: Bench) -> Values:
    counts = group_counts(bench.trees.predictions, bench.split.unseen_factors)
    others = ~np.eye(len(counts), dtype=bool)
    mean, most = unfairness(counts)
    if not others.any():
        return {"unfairness, mean": 0.0, "unfairness, largest": 0.0}
    return {
        "unfairness, mean": float(mean[others].mean()),
        "unfairness, largest": float(most[others].mean()),
    }


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "beta-vae": Metric(_beta_vae, slow=True),
        "factor-vae": Metric(_factor_vae, slow=True),
        "mig": Metric(_mig),
        "dci": Metric(_dci, slow=True),
        "sap": Metric(_sap, slow=True, ceiling=_sap_ceiling),
        "sap-continuous": Metric(_sap_continuous),
        "modularity": Metric(_modularity),
        "explicitness": Metric(_explicitness, chance=0.5),
        "irs": Metric(_irs),
        "unsupervised": Metric(_dependence, ceiling=_dependence_ceiling),
        "downstream": Metric(_downstream, slow=True),
        "fairness": Metric(_fairness, slow=True),
        "unified": Metric(_unified, slow=True, ceiling=_unified_ceiling),
    }
)
"""By name. "sap" is of linear machines, as for discrete factors."""

STUDY = tuple(METRICS)[:-3]
"""What is measured if nothing else is asked for."""
