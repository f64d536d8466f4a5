"""Hold Ctrl-C back to where nothing can be torn or lost."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Yield a function that raises the KeyboardInterrupt that came since.

    In the block a first Ctrl-C only waits for that function, or the block's end, so
    that no native code swallows it and no loop stops half-way; a second one is raised
    at once. Without effect in other threads than the main one, and where somebody else
    handles Ctrl-C.
    """
    pressed = False

    def note(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
        check()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
