"""Ctrl-C: never lost, and held back to where nothing can be torn.

Python raises a KeyboardInterrupt wherever it happens to be, and there it may be lost:
in a callback of an import's lock, in the native code of an import or a conversion,
which ignores it or makes a RuntimeError of it.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

_DEFAULT = signal.default_int_handler


class _State:
    pressed = False  # since the outermost block began
    holding = 0  # blocks in which a first Ctrl-C waits


def _note(number: int, frame: object) -> None:
    first, _State.pressed = not _State.pressed, True
    if not (first and _State.holding):
        raise KeyboardInterrupt


def check() -> None:
    """Raise the KeyboardInterrupt that came, and was held back or swallowed."""
    if _State.pressed:
        raise KeyboardInterrupt


def _is_ours() -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) in (_DEFAULT, _note)


@contextlib.contextmanager
def insisted() -> Iterator[None]:
    """Raise a KeyboardInterrupt at the block's end if one was swallowed in it.

    Without effect in other threads than the main one, and where somebody else handles
    Ctrl-C.
    """
    outermost = _is_ours() and signal.getsignal(signal.SIGINT) is _DEFAULT
    if outermost:
        _State.pressed = False
        signal.signal(signal.SIGINT, _note)
    try:
        yield
        if _is_ours():
            check()
    except Exception as error:
        if _is_ours() and _State.pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        if outermost:
            signal.signal(signal.SIGINT, _DEFAULT)
            _State.pressed = False


@contextlib.contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Yield `check`; a first Ctrl-C waits for it, or for the block's end.

    So no loop stops half-way. A second one is raised at once. Without effect where
    `insisted` is.
    """
    with insisted():
        if not _is_ours():
            yield lambda: None
            return
        _State.holding += 1
        try:
            yield check
        finally:
            _State.holding -= 1
