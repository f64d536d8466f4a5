"""What the commands share: errors in words, JSON alone on stdout, photos from names."""

import contextlib
import functools
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carlib import interrupts
from carlib.data.locate import PHOTO_SUFFIXES
from carlib.errors import CarlibError, ImageError, OptionError

if TYPE_CHECKING:
    import pandas as pd

COUNT = click.IntRange(1)
option = functools.partial(click.option, show_default=True)
json_option = option(
    "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
)
# Under its own name, workspace, Ctrl-C tells that what was computed is kept there.
workspace_option = functools.partial(
    option,
    "--workspace",
    metavar="FOLDER",
    default="workspace",
    help="Where computed bottlenecks are kept.",
)


class Command(click.Command):
    """A command whose errors are one clear message, and a traceback only if asked."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; on an error say it and leave with 1, or 130 for Ctrl-C."""
        try:
            with interrupts.insisted(), warnings_in_words():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click knows what to do about these
        except (KeyboardInterrupt, Exception) as error:
            if os.environ.get("CARLIB_DEBUG") == "1":
                raise
            click.echo(explain(error, ctx.params.get("workspace")), err=True)
            ctx.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


class Commands(click.Group):
    """A group whose commands, and those of its groups, are `Command`s."""

    command_class = Command
    group_class = type


def explain(error: BaseException, workspace: str | None = None) -> str:
    """Put an error into words for a person at a terminal."""
    if isinstance(error, CarlibError):
        return f"Error: {error}"
    if isinstance(error, KeyboardInterrupt):
        kept = (
            f"What was computed is kept in {workspace}; run the same command to go on."
        )
        return f"\nStopped. {kept}" if workspace else "\nStopped."
    kind = type(error).__name__
    return f"Error: {kind}: {error}\nTo see where it arose, set CARLIB_DEBUG=1."


@contextlib.contextmanager
def warnings_in_words() -> Iterator[None]:
    """Show a warning as what it says, without the line of code that it arose in."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


def show_any_name() -> None:
    """Let names that the terminal's encoding lacks be shown with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def stdout_kept(as_json: bool) -> Iterator[None]:
    """Send what the work prints to stderr if stdout is to hold nothing but JSON."""
    with (
        contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    ):
        yield


def show(as_json: bool, figures: dict[str, Any], text: str) -> None:
    """Print figures as JSON, or as the text that says the same."""
    click.echo(json.dumps(figures, indent=2, allow_nan=False) if as_json else text)


def check_output(path: Path) -> None:
    """Refuse a place that can't be written to: before the work, not after.

    Raises:
        OptionError: It's a folder, or in one that is read-only or not a folder.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    problem = ""
    if path.is_dir():
        problem = f"{path} is a folder"
    elif not folder.is_dir():
        problem = f"{folder} is a file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"{folder} can't be written to"
    if problem:
        raise OptionError(
            f"--output must be a file in a folder that can be written to; {problem}.",
            hint="Name another one, such as --output ImageModel.zip.",
        )


def files_of(photo: str) -> list[str]:
    """Return the files that an argument names: itself, or a folder's photos.

    Raises:
        ImageError: A folder without a photo.
    """
    if not Path(photo).is_dir():
        return [photo]
    files = (path for path in Path(photo).rglob("*") if path.is_file())
    found = sorted(str(f) for f in files if f.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise ImageError(f"No photos in {photo}.")
    return found


def trained_text(figures: dict[str, Any], metrics: Any) -> str:
    """Return what `carlib train` says at its end."""
    lines = [f"{metrics}\n"] if metrics else []
    lines.append(f"Trained {figures['arch']} on {figures['photos']['T']:,} photos.")
    lines += [f"Note: {note}" for note in figures["notes"]]
    lines.append(f"Saved {figures['model']} after {figures['seconds']} seconds.")
    return "\n".join(lines)


def content_of(name: str) -> str | bytes:
    """Return a photo's name, or for - the bytes of the photo on stdin."""
    return sys.stdin.buffer.read() if name == "-" else name


def prediction_rows(
    names: list[str], table: "pd.DataFrame", class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return predictions as plain values, the classes from likely to unlikely."""
    rows = zip(names, table.to_dict("records"), strict=True)
    return [_prediction_row(name, row, class_names) for name, row in rows]


def _prediction_row(
    name: str, row: dict[str, Any], class_names: Sequence[str]
) -> dict[str, Any]:
    if row.get("error"):
        return {"image_path": name, "error": row["error"]}
    ranked = sorted(class_names, key=lambda class_name: -row[class_name])
    return {
        "image_path": name,
        "predicted_label": row["predicted_label"],
        "score": float(row["score"]),
        "probabilities": {class_name: float(row[class_name]) for class_name in ranked},
    }


def predictions_text(rows: list[dict[str, Any]], top: int) -> str:
    """Return a line a photo: its name, and its likeliest classes or what is wrong."""
    width = max(len(row["image_path"]) for row in rows)
    return "\n".join(
        f"{row['image_path']:{width}}  {_answer(row, top)}" for row in rows
    )


def _answer(row: dict[str, Any], top: int) -> str:
    if "error" in row:
        return f"not read: {row['error']}"
    shown = list(row["probabilities"].items())[:top]
    return ", ".join(f"{name} {share:.1%}" for name, share in shown)
