"""How often the 95 % intervals hold the truth, and others beside them.

Test sets are drawn from classes whose recalls are known, losses from a large world
whose mean is; see tests/evaluation/coverage.py. Prints the tables that README quotes.

    python -m benchmarks.coverage --runs 2000
"""

import click
import numpy as np

from carlib.evaluation.headline import headline
from carlib.evaluation.intervals import (
    mean_recall_interval,
    wilson_interval,
)
from carlib.evaluation.paired import paired
from tests.evaluation.coverage import (
    SETS,
    covered,
    losses_and_labels,
    of_losses,
    of_recalls,
    pair_of_hits,
)

DRAWS = 1_000
generator = np.random.default_rng(1)


def bootstrap_of_recalls(hits, support):
    """What carlib had before: photos drawn anew, class by class."""
    drawn = generator.binomial(support, hits / support, (DRAWS, len(support))) / support
    return tuple(np.percentile(drawn.mean(axis=1), [2.5, 97.5]))


def joined_wilson(hits, support):
    """MOVER: each class's Wilson interval, their distances joined by Pythagoras."""
    ends = np.array(
        [wilson_interval(*pair) for pair in zip(hits, support, strict=True)]
    )
    recall = hits / support
    low, high = (np.sqrt(((end - recall) ** 2).sum()) / len(recall) for end in ends.T)
    return recall.mean() - low, recall.mean() + high


def bootstrap_of_mean(values):
    drawn = values[generator.integers(len(values), size=(DRAWS, len(values)))]
    return tuple(np.percentile(drawn.mean(axis=1), [2.5, 97.5]))


def students(values):
    from scipy.stats import t

    far = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - far, values.mean() + far


def told(ends, truth):
    """Coverage, mean width and the share without width, in print."""
    width = ends[:, 1] - ends[:, 0]
    return f"{covered(ends, truth):7.3f}{width.mean():7.3f}{(width < 1e-9).mean():7.3f}"


def macro(runs):
    print("\nMacro-accuracy: coverage, mean width, share without width")
    print(f"{'':34}{'carlib':>21}{'bootstrap':>21}{'joined Wilson':>21}")
    ways = (mean_recall_interval, bootstrap_of_recalls, joined_wilson)
    for name, (_, recalls) in SETS.items():
        found = [told(of_recalls(name, way, runs), np.mean(recalls)) for way in ways]
        print(f"{name:34}{''.join(found)}", flush=True)


def shares(runs):
    print("\nMicro-accuracy, top-k, recall and precision a class (Wilson): coverage")
    sizes = (3, 5, 10, 30, 100, 400)
    print(f"{'true share':34}" + "".join(f"{n:>7} " for n in sizes))
    for share in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        cells = []
        for n in sizes:
            drawn = np.random.default_rng(n).binomial(n, share, runs)
            ends = np.array([wilson_interval(hits, n) for hits in drawn])
            cells.append(f"{covered(ends, share):7.3f} ")
        print(f"{share:<34}{''.join(cells)}", flush=True)


def loss_of(losses, labels):
    return _ends(losses, labels, "log_loss")


def reduction_of(losses, labels):
    return _ends(losses, labels, "log_loss_reduction")


def _ends(losses, labels, name):
    """Take a figure's interval out of the table, for which scores don't matter."""
    scores = np.full((len(losses), 8), 1 / 8)
    table = headline(labels, scores, losses, np.zeros(len(losses), int), 1)
    return tuple(table.loc[name, ["low", "high"]])


def losses(runs):
    print("\nLog-loss: coverage, mean width, share without width")
    print(f"{'':34}{'carlib':>21}{'bootstrap':>21}{'t':>21}{'reduction':>21}")
    for sharpness in (1, 3):
        every, labels = losses_and_labels(sharpness)
        shares = np.bincount(labels) / len(labels)
        reduction = 1 + every.mean() / (shares * np.log(shares)).sum()
        for n in (8, 15, 30, 60, 180, 400):
            ways = (
                loss_of,
                lambda losses, _: bootstrap_of_mean(losses),
                lambda losses, _: students(losses),
            )
            cells = [
                told(of_losses(sharpness, n, runs, way), every.mean()) for way in ways
            ]
            cells.append(told(of_losses(sharpness, n, runs, reduction_of), reduction))
            print(
                f"sharpness {sharpness}, {n} photos{'':<14}"[:34].ljust(34)
                + "".join(cells),
                flush=True,
            )


def differences(runs):
    print("\nTwo models on the same photos: false alarms or power; coverage and width")
    print(
        f"{'':34}{'told':>7}{'McNemar':>9}{'micro':>15}{'macro':>15}{'bootstrap':>15}"
    )
    for name in SETS:
        for gain in (0.0, 0.05):
            labels, hits, micro, mean = pair_of_hits(name, gain, runs)
            units, silent = np.arange(len(labels)), np.zeros(len(labels))
            pairs = [
                paired(("A", "B"), labels, (a, silent), (b, silent), units)
                for a, b in hits.astype(float).transpose(1, 0, 2)
            ]
            rows = [
                pair.table.loc[
                    ["micro_accuracy", "macro_accuracy"], ["low", "high"]
                ].to_numpy()
                for pair in pairs
            ]
            ends = np.array(rows)
            plain = np.array(
                [
                    bootstrap_of_macro(b - a, labels)
                    for a, b in hits.astype(float).transpose(1, 0, 2)[:300]
                ]
            )
            cells = [
                f"{covered(each, truth):8.3f}{np.diff(each).mean():7.3f}"
                for each, truth in (
                    (ends[:, 0], micro),
                    (ends[:, 1], mean),
                    (plain, mean),
                )
            ]
            found = np.mean([pair.is_told for pair in pairs])
            tested = np.mean([pair.p < 0.05 for pair in pairs])
            what = f"{name}, +{gain:g}" if gain else name
            print(
                f"{what[:34]:34}{found:7.3f}{tested:9.3f}{''.join(cells)}", flush=True
            )


def bootstrap_of_macro(differences, labels):
    """Photos drawn anew, class by class: of hits less hits."""
    means = []
    for label in np.unique(labels):
        own = differences[labels == label]
        means.append(
            own[generator.integers(len(own), size=(400, len(own)))].mean(axis=1)
        )
    return tuple(np.percentile(np.mean(means, axis=0), [2.5, 97.5]))


PARTS = (macro, shares, losses, differences)


@click.command(help=__doc__)
@click.option("--runs", type=int, default=2_000)
@click.option("--only", type=click.Choice([part.__name__ for part in PARTS]))
def main(runs, only):
    for part in PARTS:
        if only in (None, part.__name__):
            part(runs)


if __name__ == "__main__":
    main()
