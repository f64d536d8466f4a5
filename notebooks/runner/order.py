"""Which notebook waits for which; the others run side by side."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import nbformat

from carlib.lessons.handover import MADE_BY
from runner.checks import RunError, code_cells
from runner.kernels import Kernels

# Both look at all photos, and what they compute is cached: 04 and 05 come before them,
# to be seen computing it themselves.
AFTER = {"08_improve_model": ("05_evaluate",), "09_your_own_photos": ("05_evaluate",)}
GRACE = 10  # seconds that an interrupted cell has, to leave nothing half-written


def needs(paths: Iterable[Path]) -> dict[Path, set[Path]]:
    """Return which of some notebooks each must wait for, at whatever distance.

    What a notebook takes up stands in its cells, and who makes that in `MADE_BY`.
    """
    by_name = {path.stem: path for path in paths}
    return {
        path: {by_name[maker] for maker in _makers(path) & by_name.keys() - {name}}
        for name, path in by_name.items()
    }


def _makers(path: Path) -> set[str]:
    code = "\n".join(cell.source for cell in code_cells(nbformat.read(path, 4)))
    calls = re.findall(r"take_up\(\s*WORKSPACE,?([^)]*)\)", code)
    files = set(re.findall(r'"([^"]+)"', "".join(calls))) & MADE_BY.keys()
    after = AFTER.get(path.stem, ())
    files |= {file for file, (maker, _) in MADE_BY.items() if maker in after}
    return {maker for file in files for maker in _makers_of(file)}


def _makers_of(file: str) -> set[str]:
    maker, sources = MADE_BY[file]
    return {maker}.union(*map(_makers_of, sources))


def side_by_side(
    waits_for: Mapping[Path, set[Path]],
    work: Callable[[Path], None],
    most: int,
    kernels: Kernels,
) -> None:
    """Do the work of each notebook, none before that of those it waits for.

    After a failure nothing new is begun, and what is under way runs to its end.

    Args:
        waits_for: In the order to begin them where there is a choice.
        work: Done in a thread of its own.
        most: How many at a time.
        kernels: What the work is done in; ended by Ctrl-C.

    Raises:
        RunError: Of all that failed, in their order.
    """
    todo = list(waits_for)
    running: dict[Future, Path] = {}
    failed: dict[Path, str] = {}
    with ThreadPoolExecutor(most) as pool, _stopped_with_us(kernels, running):
        while running or (todo and not failed):
            unfinished = {*todo, *running.values()}
            free = [path for path in todo if not waits_for[path] & unfinished]
            for path in free[: 0 if failed else most - len(running)]:
                todo.remove(path)
                running[pool.submit(work, path)] = path
            for future in _done(running):
                path = running.pop(future)
                failed |= _failure(path, future)
    if failed:
        raise RunError("\n\n".join(failed[path] for path in sorted(failed)))


def _done(running: Iterable[Future]) -> set[Future]:
    # Windows lets no Ctrl-C through to one who waits without end.
    return wait(running, timeout=1, return_when=FIRST_COMPLETED).done


def _failure(path: Path, future: Future) -> dict[Path, str]:
    try:
        future.result()
    except RunError as error:
        return {path: str(error)}
    return {}


@contextlib.contextmanager
def _stopped_with_us(kernels: Kernels, running: Iterable[Future]) -> Iterator[None]:
    """Let no kernel go on when we can't: Ctrl-C reaches us, and not them."""
    try:
        yield
    except BaseException:
        try:
            kernels.interrupt()
            wait(running, timeout=GRACE)
        finally:
            kernels.kill()
        raise
