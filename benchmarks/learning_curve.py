"""Is what a learning curve foretells true? And which photos to label next?

Of the photos a part is taken, and what all of them would give is foretold from it. Then
all are taken, and what they give is measured: did it lie in the band? Told are the
share of replays in which it did, the bands' width, and how far off what was foretold
was, beside taking the part's own figure for it.

The photos to label are chosen round by round, by `label_next`'s rule, at random and by
the least margin alone; after each round a head is trained and judged on photos that
none of them chose from.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from text_tables import table

import carlib
from carlib.evaluation import power_law
from carlib.evaluation.label_next import margins, spread
from carlib.evaluation.learning_curve import photos_of
from carlib.evaluation.thinned import Heads, Photos, thinned
from carlib.training.folds import distinct_photos, fold_numbers

FOLDS, REPEATS = 5, 3
START, ROUND, ROUNDS = 200, 20, 10
WAYS = ("label_next", "random", "least margin")


def some_of(photos: Photos, share: float, seed: int) -> np.ndarray:
    """Draw a share of each class, copies together; a mask (n,)."""
    drawn = np.random.default_rng(seed).random(photos.distinct.max() + 1)
    place = pd.Series(drawn[photos.distinct]).groupby(photos.labels).rank(pct=True)
    return (place <= share).to_numpy()


def measured(photos: Photos, only: int | None, repeats: int) -> tuple[float, float]:
    """Return how many photos train a head, and what it reaches: macro, or a recall."""
    right = np.zeros((repeats, len(photos.labels)), bool)
    judged = photos.labels == only if only is not None else photos.labels >= 0
    for repeat in range(repeats):
        fold = fold_numbers(photos.labels, photos.distinct, FOLDS, 100 + repeat)
        for number in range(1, FOLDS + 1):
            out = fold == number
            heads = Heads(photos.some(~out), photos.features[out])
            named = heads.named(np.full((~out).sum(), True))
            right[repeat, out] = named == photos.labels[out]
    labels = photos.labels[judged]
    hits = pd.Series(right[:, judged].mean(axis=0))
    return judged.sum() * (1 - 1 / FOLDS), hits.groupby(labels).mean().mean()


def replays(photos: Photos, share: float, count: int) -> Iterator[dict[str, object]]:
    """Foretell from a part what all give, for all classes and two of them in turn."""
    n_classes = photos.labels.max() + 1
    size, truth = measured(photos, None, 10)
    for seed in range(count):
        kept = some_of(photos, share, seed)
        part = photos.some(kept)
        turn = sorted({2 * seed % n_classes, (2 * seed + 1) % n_classes})
        found = thinned(part, turn, FOLDS, REPEATS)
        for only, hits in zip((None, *turn), found, strict=True):
            if only is not None:
                more = photos.some(kept | (photos.labels == only))
                size_of_it, truth_of_it = measured(more, only, 3)
            else:
                size_of_it, truth_of_it = size, truth
            value, low, high = power_law.fit(hits.sizes, hits.drawn()).at(size_of_it)
            figures = {"foretold": value, "low": low, "high": high}
            figures |= {"truth": truth_of_it, "part": hits.recall()[-1]}
            yield {"class": only, "seed": seed, **figures}


def told(rows: pd.DataFrame) -> list[str]:
    inside = (rows.low <= rows.truth) & (rows.truth <= rows.high)
    off, unmoved = rows.foretold - rows.truth, rows.part - rows.truth
    figures = [(rows.high - rows.low).median(), off.mean(), (off**2).mean() ** 0.5]
    figures += [(unmoved**2).mean() ** 0.5]
    return [
        f"{inside.sum()} of {len(rows)}",
        f"{inside.mean():.1%}",
        *(f"{figure:.3f}" for figure in figures),
    ]


def rounds(photos: Photos, seed: int) -> Iterator[dict[str, object]]:
    """Choose photos to label round by round, in each way; yield a row a round."""
    generator = np.random.default_rng(seed)
    fold = fold_numbers(photos.labels, photos.distinct, 3, seed + 1)
    pool, held_out = photos.some(fold != 1), photos.some(fold == 1)
    start = generator.permutation(len(pool.labels))[:START]
    for way in WAYS:
        labelled = np.isin(np.arange(len(pool.labels)), start)
        for _ in range(ROUNDS + 1):
            heads = Heads(pool, np.concatenate([held_out.features, pool.features]))
            scores = heads.probabilities(labelled)
            judged, rest = np.split(scores, [len(held_out.labels)])
            right = pd.Series(judged.argmax(axis=1) == held_out.labels)
            macro = right.groupby(held_out.labels).mean().mean()
            yield {"way": way, "seed": seed, "labelled": labelled.sum(), "macro": macro}
            labelled[chosen(way, pool, rest, labelled, generator)] = True


def chosen(
    way: str,
    pool: Photos,
    scores: np.ndarray,
    labelled: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return the positions of the photos that a way takes next."""
    free = np.flatnonzero(~labelled)
    if way == "random":
        return generator.permutation(free)[:ROUND]
    if way == "least margin":
        return free[np.argsort(margins(scores[free]), kind="stable")[:ROUND]]
    return free[spread(scores[free], pool.features[free], pool.distinct[free], n=ROUND)]


@click.command()
@click.option("--data", default="download", help="As carlib.locate_data takes it.")
@click.option("--arch", default="EfficientNetLite0", show_default=True)
@click.option("--share", default=0.5, show_default=True, help="The part of the photos.")
@click.option("--replays", "count", default=50, show_default=True)
@click.option("--seeds", default=20, show_default=True, help="Of choosing photos.")
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(
    data: str,
    arch: str,
    share: float,
    count: int,
    seeds: int,
    workspace: str,
    output: Path | None,
) -> None:
    """Replay what learning curves foretell, and the choice of photos to label."""
    trainer = carlib.ImageClassificationTrainer(
        arch=arch.split("+"), workspace_path=workspace, **carlib.RECOMMENDED
    )
    photo_set = trainer.photo_set(carlib.load_index(carlib.locate_data(data)))
    photos = photos_of(photo_set, distinct_photos(photo_set.pictures), trainer)
    found, started = {}, time.perf_counter()
    for name, rows in (
        ("replays", (row for row in replays(photos, share, count))),
        ("rounds", (row for seed in range(seeds) for row in rounds(photos, seed))),
    ):
        found[name] = []
        for row in rows:
            found[name].append(row)
            seconds = time.perf_counter() - started
            click.echo(f"{seconds:7.0f} s  {name} {row}", err=True)
            if output:
                output.write_text(json.dumps(found, default=float), "utf-8")
    show(found)


def show(found: dict[str, list[dict[str, object]]]) -> None:
    """Print what was found as tables."""
    made = pd.DataFrame(found["replays"])
    if len(made):
        is_all = made["class"].isna()
        heads = ["replays", "in the band", "share", "width", "off", "rms", "unmoved"]
        rows = [["all classes", *told(made[is_all])], ["a class", *told(made[~is_all])]]
        click.echo(table(heads, rows))
    chosen = pd.DataFrame(found["rounds"])
    if len(chosen):
        means = chosen.pivot_table(index="labelled", columns="way", values="macro")
        rows = [
            [f"{n:,}", *(f"{row[way]:.3f}" for way in WAYS)]
            for n, row in means.iterrows()
        ]
        click.echo(table(["labelled", *WAYS], rows))


if __name__ == "__main__":
    main()
