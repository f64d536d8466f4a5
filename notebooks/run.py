"""Run the workshop's notebooks, each in a fresh kernel, and check each.

    python notebooks/run.py                                  all of them, as they stand
    python notebooks/run.py --data photos.zip --epochs 50    your photos, 50 epochs
    python notebooks/run.py --only 04 05                     train and evaluate again
    python notebooks/run.py --only 10                        the optional one
    python notebooks/run.py --arch InceptionV3 --weights none
    python notebooks/run.py -p SEED=7                        any notebook's parameter

The notebooks themselves are never changed. What ran lies in WORKSPACE/executed, as
.ipynb and as .html that needs no network; a notebook that failed lies there too, as
far as it came.
"""

import argparse
import ast
import os
import sys
import time
from pathlib import Path
from typing import Any

from runner.checks import RunError, check_parameters
from runner.execution import at_a_time, declared_parameters, execute_all
from runner.summary import cached_photos, summary

from carlib.errors import CarlibError

HERE = Path(__file__).resolve().parent
OPTIONS = {  # on the command line: in the notebooks
    "data": "DATA",
    "arch": "ARCH",
    "weights": "WEIGHTS",
    "epochs": "EPOCHS",
    "workspace": "WORKSPACE",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return 0, 1 if one failed, or 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        print(run(options))
    except (RunError, CarlibError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run it again to go on from what is cached.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's options, explained."""
    purpose, _, examples = (__doc__ or "").partition("\n\n")
    result = argparse.ArgumentParser(
        prog="run.py",
        description=purpose,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--data", help="folder or zip of photos, or auto")
    add("--arch", help="the backbone's name, or auto")
    add("--weights", help="imagenet, a weights file, or none for random ones")
    add("--epochs", type=int, metavar="N", help="at most so many epochs")
    add("--workspace", help="folder for all that is made (notebooks/workspace)")
    add("--output", help="folder for the executed notebooks (WORKSPACE/executed)")
    add("--only", nargs="+", metavar="NN", help="only these notebooks, by their number")
    add("--timeout", type=int, default=14400, help="seconds a cell may take (14400)")
    add("--jobs", type=int, metavar="N", help="notebooks at a time (one for each core)")
    add("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    return result


def run(options: argparse.Namespace) -> str:
    """Execute and check the chosen notebooks; return the summary.

    Raises:
        RunError: An option can't be, no notebook has a parameter, or one failed.
        OutputError: There can be no folder where one is to be.
    """
    started = time.monotonic()
    workspace = Path(options.workspace or HERE / "workspace").resolve()
    output = Path(options.output or workspace / "executed").resolve()
    if output == HERE:
        raise RunError(f"--output {options.output} would overwrite the notebooks.")
    jobs = at_a_time() if options.jobs is None else options.jobs
    for name, value in {"jobs": jobs, "timeout": options.timeout}.items():
        if value < 1:
            raise RunError(f"Expected --{name} of 1 or more. Received: {value}")
    chosen, given = choose(options.only), parameters(options)
    declared = {path: declared_parameters(path) for path in chosen}
    check_parameters(given.keys() - {"WORKSPACE"}, declared)  # the runner needs it too
    wanted = {p: {k: given[k] for k in given.keys() & declared[p]} for p in chosen}
    cached = cached_photos(workspace)
    execute_all(wanted, output, options.timeout, jobs)
    return summary(HERE, workspace, output, cached, time.monotonic() - started)


def choose(only: list[str] | None) -> list[Path]:
    """Return the notebooks whose names start with one of the given, in order.

    Optional ones run only when they are asked for.

    Raises:
        RunError: No notebook's name starts so.
    """
    there = sorted(HERE.glob("[0-9][0-9]_*.ipynb"))
    there += sorted(HERE.glob("optional/[0-9][0-9]_*.ipynb")) if only else []
    unknown = [n for n in only or [] if not any(p.name.startswith(n) for p in there)]
    if unknown:
        names = ", ".join(path.stem for path in there)
        raise RunError(f"No notebook {', '.join(unknown)}; there are {names}.")
    return [p for p in there if not only or p.name.startswith(tuple(only))]


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line gives for the notebooks' parameters.

    Paths become relative to the notebooks' folder, where the kernels work.

    Raises:
        RunError: `--parameter` gives no value, or one that has an option of its own.
    """
    bare = [text for text in options.parameter if "=" not in text]
    if bare:
        raise RunError(f"Expected -p NAME=VALUE. Received: {', '.join(bare)}")
    pairs = [text.partition("=")[::2] for text in options.parameter]
    given = {name: literal(value) for name, value in pairs}
    for option, name in OPTIONS.items():
        if name in given:
            raise RunError(f"{name} has an option of its own: --{option}.")
    asked = {name: getattr(options, option) for option, name in OPTIONS.items()}
    given |= {name: value for name, value in asked.items() if value is not None}
    paths = [n for n in ("DATA", "WEIGHTS") if Path(str(given.get(n, ""))).exists()]
    for name in [*paths, "WORKSPACE"]:
        if given.get(name):
            given[name] = from_here(given[name])
    if str(given.get("WEIGHTS", "")).lower() == "none":
        given["WEIGHTS"] = None
    return given


def literal(text: str) -> Any:
    """Read a value as Python would; what isn't Python is plain text."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def from_here(path: str) -> str:
    """Return a path as seen from the notebooks' folder."""
    try:
        return Path(os.path.relpath(Path(path).resolve(), HERE)).as_posix()
    except ValueError:  # Windows, another drive
        return str(Path(path).resolve())


if __name__ == "__main__":
    sys.exit(main())
