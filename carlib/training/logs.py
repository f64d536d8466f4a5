"""Logs of a training in the workspace, by Keras's callbacks: CSV and TensorBoard."""

import contextlib
import datetime
import itertools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from carlib import runtime

KINDS = ("csv", "tensorboard")


@contextlib.contextmanager
def log_callbacks(kinds: Sequence[str], workspace_path: Path) -> Iterator[list[Any]]:
    """Yield Keras callbacks that write a training's figures, epoch by epoch.

    Their files are closed afterwards, where training failed too.

    | in workspace/logs/<date and time> | content |
    |---|---|
    | training.csv | a row an epoch, under Keras's names |
    | train, validation | for `tensorboard --logdir workspace/logs` |

    Args:
        kinds: Which of `KINDS`; for none, nothing is written, nor where the workspace
            can't be written to, of which a warning tells.
    """
    if not kinds:
        yield []
        return
    try:
        folder = _new_folder(workspace_path / "logs")
    except OSError as error:
        warnings.warn(
            f"No logs are written: {workspace_path.as_posix()} can't be "
            f"({error.strerror}).",
            stacklevel=3,
        )
        yield []
        return
    makers = {"csv": _csv, "tensorboard": _tensorboard}
    callbacks = [makers[kind](folder) for kind in kinds]
    try:
        yield callbacks
    finally:
        for callback in callbacks:
            callback.on_train_end()


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
    """Write scalars as Keras's own TensorBoard does, without its work at each batch.

    Nor does it need the package of that name, as `tf.summary.scalar` does.
    """
    tf, writers = runtime.tensorflow(), {}
    kind = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    kind.plugin_data.plugin_name = "scalars"

    def write(epoch: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            dataset = "validation" if name.startswith("val_") else "train"
            if dataset not in writers:
                place = (folder / dataset).as_posix()
                writers[dataset] = tf.summary.create_file_writer(place)
            with writers[dataset].as_default():
                tag, number = f"epoch_{name.removeprefix('val_')}", tf.constant(value)
                tf.summary.write(tag, number, epoch, kind)

    def close(logs: dict[str, float] | None = None) -> None:
        for writer in writers.values():
            writer.close()

    callbacks = runtime.keras().callbacks
    return callbacks.LambdaCallback(on_epoch_end=write, on_train_end=close)
