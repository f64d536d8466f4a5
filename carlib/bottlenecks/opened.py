"""What a process has opened of workspaces stays open, and is written at its end.

So of a workspace with 15,000 photos a call on one more reads nothing. What is open
looks, at each call, whether its files are still as it knows them.
"""

import atexit
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

MOST = 16  # that stay open: backbones' folders and stat indexes


class Open(Protocol):
    """What can stay open."""

    def write(self) -> None:
        """Write what was held back."""


class _State:
    lock = threading.Lock()
    opened: OrderedDict[Hashable, Open] = OrderedDict()


def opened(key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what is open under a key, or make it; what was longest unused goes."""
    gone = None
    with _State.lock:
        found = _State.opened.pop(key, None) or make()
        _State.opened[key] = found
        if len(_State.opened) > MOST:
            _, gone = _State.opened.popitem(last=False)
    if gone:
        gone.write()
    return found


def write_all() -> None:
    """Write all that was held back."""
    with _State.lock:
        everything = [*_State.opened.values()]
    for each in everything:
        each.write()


def _write_at_the_end() -> None:
    """Write all; a disk that is full now, or a second Ctrl-C, costs only the cache."""
    with contextlib.suppress(Exception):
        write_all()


def _forget_after_a_fork() -> None:
    """Open all anew: what was held back is the parent's, and so are the locks."""
    _State.lock, _State.opened = threading.Lock(), OrderedDict()


atexit.register(_write_at_the_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_a_fork)
