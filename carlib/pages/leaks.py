"""Photos that were trained on, too, as copies: what the figures are without them."""

from dataclasses import dataclass

import pandas as pd

from carlib.data.near import pictures
from carlib.data.sources import as_sources
from carlib.errors import printable
from carlib.evaluation.evaluate import evaluate
from carlib.pages.answers import Answers
from carlib.pages.words import between, counted, of_100

MOST_SHOWN = 24


@dataclass(frozen=True)
class Leaks:
    """Hold which photos were trained on, too, and what is to be said of it.

    Attributes:
        pairs: A judged photo and the one trained on that is the same picture, by paths.
        labels: What each of them is labelled, by path.
        sentences: How many, and what the figures are without them.
    """

    pairs: dict[str, str]
    labels: dict[str, str]
    sentences: list[str]

    def group(self, found: Answers) -> list[dict]:
        """Return the pairs as a page shows them; of none, nothing."""
        pairs = [
            {
                "photos": [
                    self._shown(judged, "judged", found),
                    self._shown(known, "trained on", found),
                ]
            }
            for judged, known in list(self.pairs.items())[:MOST_SHOWN]
        ]
        title = "Seen in training"
        words = "The same picture, perhaps scaled, stamped, mirrored or saved anew."
        return [{"title": title, "words": words, "pairs": pairs}] if pairs else []

    def _shown(self, path: str, use: str, found: Answers) -> dict:
        note = printable(f"{use} as {self.labels[path]}")
        return {"photo": found.store.number(path, note), "note": note}


def leaks(predictions: pd.DataFrame, train: pd.DataFrame) -> Leaks:
    """Find the judged photos that were trained on, too, as copies.

    Args:
        predictions: Of the judged photos, with the column error.
        train: What was trained on; without rows there is nothing to say.
    """
    if train.empty:
        return Leaks({}, {}, [])
    both = pd.concat([predictions, train])[["image_path", "damage_class"]].astype(str)
    paths = list(both["image_path"])
    of_photo = pictures(as_sources(paths))
    known = dict(zip(of_photo[len(predictions) :], train["image_path"], strict=True))
    pairs = {
        path: str(known[picture])
        for path, picture in zip(paths, of_photo[: len(predictions)], strict=False)
        if picture and picture in known
    }
    labels = dict(both.itertuples(index=False))
    return Leaks(pairs, labels, [_sentence(predictions, pairs)])


def _sentence(predictions: pd.DataFrame, pairs: dict[str, str]) -> str:
    if not pairs:
        return "None of these photos was trained on, not even as a copy."
    count = counted(len(pairs), "photo")
    told = f"{count} of these {'was' if len(pairs) == 1 else 'were'} trained on, too."
    rest = predictions[~predictions["image_path"].astype(str).isin(pairs)]
    if not rest["score"].notna().any():
        return told
    metrics = evaluate(rest)
    return (
        f"{told} Without {'it' if len(pairs) == 1 else 'them'} the model names "
        f"{of_100(metrics.micro_accuracy)} of 100 right; 95 % "
        f"{between(metrics.micro_interval)}."
    )
