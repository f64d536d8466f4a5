"""A model's card: what it is for, how good it is, and what it must not be used for.

Markdown with a front matter in YAML, as model hubs read it
(https://huggingface.co/docs/hub/model-cards). It says what the model knows of itself,
and nothing else; figures are those that `save` was given.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from carlib.errors import printable
from carlib.model.digests import pairs_of

MOST_CLASSES = 30  # whose table, and confusions, people still read
# Of each figure its name, and where its interval and its baseline stand.
FIGURES = {
    "micro_accuracy": (
        *("micro-accuracy: photos named right", "micro_interval"),
        "majority_micro_accuracy",
    ),
    "macro_accuracy": (
        *("macro-accuracy: mean over the classes", "macro_interval"),
        "majority_macro_accuracy",
    ),
    "log_loss": ("log-loss", "log_loss_interval", ""),
}
_ODD = (TypeError, KeyError, AttributeError, ValueError)
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")


def card_text(model: Any) -> str:
    """Return a model's card; the same model has the same.

    Example:
        >>> print(card_text(carlib.load_model("ImageModel.zip")))
    """
    blocks = [
        _front_matter(model),
        "# What is damaged in a photo of a car",
        _what(model),
        *_figures(model.metrics),
        _not_for(model),
        _data(model),
        _USE,
        _LICENCE,
    ]
    return "\n\n".join(blocks) + "\n"


def _front_matter(model: Any) -> str:
    """Return the YAML; its texts are JSON's, which YAML reads as they are."""
    lines = [
        "library_name: carlib",
        "pipeline_tag: image-classification",
        "license: other",
        "license_name: that-of-the-photos-and-the-backbone",
        "tags: [image-classification, transfer-learning, car-damage]",
        "metrics: [accuracy]",
    ]
    results = [
        f"      - {{type: accuracy, name: {name.split(':')[0]}, value: {value}}}"
        for name, value, *_ in _rows(model.metrics)
        if "accuracy" in name
    ]
    if results:
        lines += [
            "model-index:",
            f"  - name: {json.dumps(model.arch)}",
            "    results:",
            "    - task: {type: image-classification}",
            '      dataset: {type: image-folder, name: "photos it was evaluated on"}',
            "      metrics:",
            *results,
        ]
    return "\n".join(["---", *lines, "---"])


def _what(model: Any) -> str:
    names = ", ".join(map(_text, model.class_names[:MOST_CLASSES]))
    more = len(model.class_names) - MOST_CLASSES
    lines = [
        "It names the damage in a photo of a car as one of "
        f"{len(model.class_names):,} classes: {names}"
        + (f", and {more:,} more." if more > 0 else "."),
        f"Frozen backbone: {_text(model.arch)}, weights "
        + ", ".join(_text(backbone.weights_name) for backbone in model.backbones)
        + "; on its features a linear head with a softmax, trained by carlib.",
    ]
    if model.augment == "flip":
        lines.append("It looks at a photo and at its mirror image.")
    if model.calibration:
        lines.append(_text(str(model.calibration)))
    if sure := model.confidence:
        lines.append(
            f"It may say that it isn't sure, so that of the other answers some "
            f"{sure.error_rate:.0%} are wrong: "
            + (
                f"below a probability of {sure.threshold:.3f}, or where a photo is "
                "unlike those that it was trained on."
                if sure.threshold is not None
                else "no answer of it is sure enough for that."
            )
        )
    return "\n\n".join(lines)


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures with their intervals, and what is taken for what."""
    rows = list(_rows(metrics))
    if not rows:
        yield "## Figures\n\nNone were saved with it: `model.save(path, metrics)` does."
        return
    lines = [f"| {' | '.join(row)} |" for row in rows]
    yield (
        f"## Figures\n\nOn {_text(metrics.get('n', '?'))} photos, as saved with the "
        "model. The baseline always answers the most frequent class.\n\n"
        "| figure | value | 95 % interval | baseline |\n|---|---|---|---|\n"
        + "\n".join(lines)
    )
    if table := _confusion(metrics):
        yield table


def _rows(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield figures with their intervals and baselines; a file's may be anything."""
    for figure, (name, interval, baseline) in FIGURES.items():
        with contextlib.suppress(*_ODD):
            low, high = metrics[interval]
            least = f"{metrics[baseline]:.4f}" if baseline else ""
            yield name, f"{metrics[figure]:.4f}", f"{low:.4f} to {high:.4f}", least


def _confusion(metrics: Mapping[str, Any]) -> str:
    """Return the confusion matrix as a table, if there is one that people can read."""
    with contextlib.suppress(*_ODD):
        matrix = metrics["confusion_matrix"]
        labels, counts = matrix["labels"], matrix["counts"]
        if len(labels) > MOST_CLASSES:
            return ""
        rows = [
            f"| {_text(label)} | " + " | ".join(f"{int(n)}" for n in row) + " |"
            for label, row in zip(labels, counts, strict=True)
        ]
        head = ["actual \\ named", *map(_text, labels)]
        return (
            "### What is taken for what\n\n"
            f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n" + "\n".join(rows)
        )
    return ""


def _not_for(model: Any) -> str:
    lines = [
        "Not to decide a claim, a price or a person's fault alone: it sorts photos and "
        "proposes a name; a person decides. Not to tell whether a car is damaged at "
        "all, how badly, or safe to drive: it answers with one of its classes whatever "
        "it is shown, and names one damage a photo. Not for photos of another kind "
        "than those that it was trained on, such as other cameras, crops, vehicles or "
        "countries, before it was evaluated on such.",
        *(f"Note: {_text(note)}" for note in model.notes),
    ]
    return "## What it must not be used for\n\n" + "\n\n".join(lines)


def _data(model: Any) -> str:
    counts = Counter(label for _, label in pairs_of(model.trained_on))
    said = f"labelled by people; their hash is `{model.data_hash[:12]}`."
    if not counts:
        return f"## Data\n\nPhotos {said}"
    lines = [f"| {_text(name)} | {counts[name]:,} |" for name in sorted(counts)]
    return (
        f"## Data\n\n{counts.total():,} photos to train on and to watch, {said}\n\n"
        "| class | photos |\n|---|---|\n" + "\n".join(lines[:MOST_CLASSES])
    )


def _text(text: object) -> str:
    """Return a text as Markdown that shows it, in one line."""
    return _SIGNS.sub(r"\\\1", printable(text))


_USE = """\
## How to use it

```python
import carlib

model = carlib.load_model("ImageModel.zip")
model.predict(["photo.jpg"])
```

Without carlib: `carlib export ImageModel.zip exported --format onnx` writes it for
other programs, with an example client for each (`client_onnx.py`), once that client has
given this model's own answers."""
_LICENCE = """\
## Licence

The code is carlib's, under the MIT licence. The numbers come from the backbone's
weights and from the photos it was trained on: ask whose those are before you hand it
on."""
