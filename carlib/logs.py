"""Logs of a training in the workspace, by Keras's callbacks: CSV and TensorBoard."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carlib import runtime

KINDS = ("csv", "tensorboard")


def log_callbacks(kinds: Sequence[str], workspace_path: Path) -> list[Any]:
    """Return Keras callbacks that write a training's figures, epoch by epoch.

    | in workspace/logs/<date and time> | content |
    |---|---|
    | training.csv | a row an epoch, under Keras's names |
    | train, validation | for `tensorboard --logdir workspace/logs` |

    Args:
        kinds: Which of `KINDS`; for none, nothing is written.
    """
    if not kinds:
        return []
    folder = _new_folder(workspace_path / "logs")
    makers = {"csv": _csv, "tensorboard": _tensorboard}
    return [makers[kind](folder) for kind in kinds]


def _new_folder(root: Path) -> Path:
    now = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}"
    names = itertools.chain([now], (f"{now}_{n}" for n in itertools.count(2)))
    for name in names:
        try:
            (root / name).mkdir(parents=True)
        except FileExistsError:
            continue
        return root / name


def _csv(folder: Path) -> Any:
    return runtime.keras().callbacks.CSVLogger(folder / "training.csv")


def _tensorboard(folder: Path) -> Any:
    """Write scalars as Keras's own TensorBoard does, without its work at each batch."""
    summary, writers = runtime.tensorflow().summary, {}

    def write(epoch: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            dataset = "validation" if name.startswith("val_") else "train"
            if dataset not in writers:
                place = (folder / dataset).as_posix()
                writers[dataset] = summary.create_file_writer(place)
            with writers[dataset].as_default():
                summary.scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)

    def close(logs: dict[str, float] | None) -> None:
        for writer in writers.values():
            writer.close()

    callbacks = runtime.keras().callbacks
    return callbacks.LambdaCallback(on_epoch_end=write, on_train_end=close)
