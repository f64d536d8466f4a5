"""What the commands share: errors in words, JSON alone on stdout, photos from names."""

import contextlib
import difflib
import functools
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from carlib import interrupts
from carlib.data.addresses import is_address
from carlib.errors import (
    CarlibError,
    DataError,
    OptionError,
    printable,
    printable_lines,
)
from carlib.files import as_path, why_not_writable

if TYPE_CHECKING:
    import pandas as pd

COUNT = click.IntRange(1)
option = functools.partial(click.option, show_default=True)
json_option = option(
    "--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout."
)
on_error_option = option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="What to do about photos that can't be read.",
)


class FilePath(click.ParamType):
    """A path, in which a ~ at the beginning stands for the home folder; an address."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the path with the home folder's own."""
        is_path = value != "-" and not is_address(value)
        return str(as_path(value)) if is_path else value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete it as it does any file."""
        return [CompletionItem(incomplete, type="file")]


class DataSource(click.ParamType):
    """Where data are: a path, or one of the words that stand for some."""

    name = "data"
    words = ("auto", "download", "sample")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete a word that was begun, else a file."""
        begun = [
            word for word in self.words if incomplete and word.startswith(incomplete)
        ]
        words = [CompletionItem(word) for word in begun]
        return words or PATH.shell_complete(ctx, param, incomplete)


class Archs(click.ParamType):
    """The name of a backbone, or of several, joined as A+B; carlib checks them."""

    name = "arch"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the last of the names, whatever its case."""
        from carlib.backbones.architectures import ARCHS

        before, plus, begun = incomplete.rpartition("+")
        names = ARCHS if plus else ("auto", *ARCHS)
        found = [n for n in names if n.casefold().startswith(begun.casefold())]
        return [CompletionItem(f"{before}{plus}{name}") for name in found]


class Words(click.Choice[str]):
    """One of some words; for another the one that may have been meant is named."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which there are, and which may have been meant."""
        said = super().get_invalid_choice_message(value, ctx)
        meant = difflib.get_close_matches(str(value), list(self.choices), 1)
        return f"{said} Did you mean {meant[0]}?" if meant else said


PATH, DATA, ARCH = FilePath(), DataSource(), Archs()
# Under its own name, workspace, Ctrl-C tells that what was computed is kept there.
workspace_option = functools.partial(
    option,
    "--workspace",
    metavar="FOLDER",
    type=PATH,
    default="workspace",
    help="Where computed bottlenecks are kept.",
)
arch_option = option(
    "--arch",
    metavar="NAME[+NAME…]",
    type=ARCH,
    default="auto",
    help="The backbone, or joined ones.",
)
# Photos that a model is judged by, and those that one is trained on.
judged_option = option(
    "--subset",
    type=Words(["V", "T", "test", "all"]),
    default="V",
    help="Which of DATA's photos; all: T and V.",
)
learned_option = option(
    "--subset",
    type=Words(["T", "all"]),
    default="T",
    help="Which photos to train on; with all, none is left to evaluate on.",
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
    return (
        f"Error: {kind}: {printable(error)}\nTo see where it arose, set CARLIB_DEBUG=1."
    )


@contextlib.contextmanager
def warnings_in_words() -> Iterator[None]:
    """Show a warning as what it says, without the line of code that it arose in."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: (
        f"Warning: {printable_lines(message)}\n"
    )
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
    plain = (
        json.dumps(figures, indent=2, allow_nan=False)
        if as_json
        else printable_lines(text)
    )
    click.echo(plain)


def check_output(
    path: Path, name: str = "--output", such_as: str = "ImageModel.zip"
) -> None:
    """Refuse a place that can't be written to: before the work, not after.

    Raises:
        OptionError: It's a folder, a device, or in a folder that is read-only or none.
    """
    problem = why_not_writable(path)
    if problem:
        raise OptionError(
            f"{name} must be a file in a folder that can be written to; {problem}.",
            hint=f"Name another one, such as {name} {such_as}.",
        )


def of_subset(photos: "pd.DataFrame", subset: str, data: str) -> "pd.DataFrame":
    """Return the photos in T, in V or all of them.

    Raises:
        DataError: There are none.
    """
    chosen = photos if subset == "all" else photos[photos["subset"] == subset]
    if chosen.empty:
        raise DataError(
            f"{data} has no photos in {subset}.",
            hint="Choose another subset: --subset V, T or all.",
        )
    return chosen.reset_index(drop=True)


def decisions_in(folder: Path | str, named: str | None) -> str | None:
    """Return the file of decisions that was named, else the data's own, if any."""
    from carlib.data.decisions import NAME

    own = Path(folder) / NAME
    return named or (str(own) if own.is_file() else None)


def parts_of(arch: str) -> list[str]:
    """Return the names of the backbones that an option names, joined as A+B.

    Raises:
        OptionError: A name is missing.
    """
    parts = [part.strip() for part in arch.split("+")]
    if not all(parts):
        raise OptionError(
            f"Expected names joined by +. Received: --arch {arch!r}",
            hint="Such as --arch EfficientNetLite0+MobileNetV2-0.35.",
        )
    return parts
