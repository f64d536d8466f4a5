"""How good the model is, in plain words."""

import numpy as np

from carlib.evaluation.metrics import Metrics, prior_log_loss
from carlib.pages.answers import Answers
from carlib.pages.geometry import strip
from carlib.pages.leaks import Leaks
from carlib.pages.words import between, counted, of_100, percent, to

SURE = 0.9


def summary(found: Answers, leaked: Leaks) -> dict:
    """Return the facts of a page's first section: a figure, and what it means."""
    metrics = found.metrics
    return {
        "figure": of_100(metrics.micro_accuracy),
        "interval": between(metrics.micro_interval),
        "strips": _strips(metrics),
        "sentences": [*_sentences(metrics), *_sure(found), *leaked.sentences],
    }


def _strips(metrics: Metrics) -> list[dict]:
    """Return both accuracies, each beside what always guessing the same would get."""
    figures = [
        (
            "of 100 photos, named right",
            "Micro-accuracy",
            metrics.micro_accuracy,
            metrics.micro_interval,
            metrics.majority_micro_accuracy,
        ),
        (
            "the same, were there as many of each class",
            "Macro-accuracy",
            metrics.macro_accuracy,
            metrics.macro_interval,
            metrics.majority_macro_accuracy,
        ),
    ]
    return [
        {
            "words": words,
            "name": name,
            "value": of_100(share),
            "interval": to(interval),
            "baseline": of_100(baseline),
            "strip": strip(share, interval, baseline),
        }
        for words, name, share, interval, baseline in figures
    ]


def _sentences(metrics: Metrics) -> list[str]:
    support = metrics.per_class["support"].to_numpy()
    guessed = percent(metrics.majority_micro_accuracy)
    told = [
        f"Judged on {counted(metrics.n, 'photo')}, {len(metrics.class_names)} classes.",
        f"Always answering {metrics.majority_class}, the most frequent class here, "
        f"would be right in {guessed} of the photos: what is above that was learned.",
        f"The log-loss of its probabilities is {metrics.log_loss:.3f}: 0 is perfect, "
        f"{prior_log_loss(support):.3f} is what knowing only the shares of the classes "
        "gets.",
    ]
    if len(metrics.top_k_accuracy) > 1 and len(metrics.class_names) > 2:
        two = percent(metrics.top_k_accuracy[1])
        told.append(f"The right class is among its first two answers in {two}.")
    return told


def _sure(found: Answers) -> list[str]:
    """Return how right the answers are that the model is sure of."""
    sure = found.table["score"].to_numpy() >= SURE
    if not 10 <= sure.sum() < len(sure):
        return []
    share = percent(float(np.mean(sure)))
    right = percent(float(found.right[sure].mean()))
    return [
        f"Where it is at least {percent(SURE)} sure, in {share} of the photos, "
        f"{right} of its answers are right."
    ]
