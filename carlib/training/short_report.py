"""A metrics callback for people: a short line an epoch."""

from carlib.training.progress import BottleneckMetrics, EpochMetrics

HEADER = "Epochs count from 0. Each has its accuracy / cross-entropy:"


class ShortReport:
    """Print each epoch in one line of at most 70 characters; as `metrics_callback`.

    `carlib.short_report` is one that is ready. It says nothing of the bottleneck phase,
    which has a bar of its own.

    Example:
        >>> trainer = carlib.ImageClassificationTrainer(
        ...     arch="auto", metrics_callback=carlib.short_report)
    """

    def __init__(self) -> None:
        self._is_open = False  # a line that waits for the validation photos' part

    def __call__(self, metrics: BottleneckMetrics | EpochMetrics) -> None:
        """Print what the trainer tells of an epoch; nobody knows if there is more."""
        if isinstance(metrics, BottleneckMetrics):
            return
        is_train = metrics.dataset == "Train"
        part = f"{metrics.accuracy:.3f} / {metrics.cross_entropy:<6.3f}"
        part = f"{metrics.dataset.lower()} {part}"
        if is_train and self._is_open:
            print()
        if is_train and metrics.epoch == 0:
            print(HEADER)
        start = f"epoch {metrics.epoch:>3}   " if is_train or not self._is_open else ""
        if is_train:
            print(f"{start}{part}", end="  ", flush=True)
        else:
            print(f"{start}{part}".rstrip(), flush=True)
        self._is_open = is_train


short_report = ShortReport()
