"""The clustered randomisation test against scipy.stats.permutation_test, on as many sign patterns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.timing import ratio, report
from xqgbench.significance import random_generator, randomisation_test

RESAMPLES, SEED = 9_999, 7


def main() -> None:
    for count in (24, 300, 1_928):
        rng = np.random.default_rng(SEED)
        differences = rng.normal(0.02, 0.2, count)
        alone = np.arange(count)

        def ours(values: Any = differences, clusters: Any = alone) -> object:
            return randomisation_test(values, clusters, None, random_generator(SEED), RESAMPLES)

        def peer(values: Any = differences) -> object:
            return stats.permutation_test(
                (values,),
                lambda x, axis: np.mean(x, axis=axis),
                permutation_type="samples",
                n_resamples=RESAMPLES,
                vectorized=True,
                rng=np.random.default_rng(SEED),
            )

        report(f"randomisation test, {count:,} queries, {RESAMPLES:,} patterns, scipy", ratio(ours, peer))


if __name__ == "__main__":
    main()
