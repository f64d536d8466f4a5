"""How many cores this process may use, as whoever started it or the system says."""

import os
import re
import sys

from carlib.errors import OptionError


class _Limit:
    threads: int | None = None


def limit_threads(count: int) -> None:
    """Let this process use no more than so many cores; CARLIB_THREADS has precedence.

    It's for processes that share a machine, such as a cluster's workers, and holds for
    engines that are opened from then on.
    """
    _Limit.threads = count


def usable_cores() -> int:
    """Return how many cores this process may use.

    CARLIB_THREADS says it, else `limit_threads`, else the system: which cores the
    process is bound to, and what a container's quota leaves it.

    Raises:
        OptionError: CARLIB_THREADS is no whole number of 1 or more.
    """
    given = os.environ.get("CARLIB_THREADS", "").strip()
    if given:
        if not re.fullmatch(r"0*[1-9]\d{0,4}", given):
            raise OptionError(
                "Expected CARLIB_THREADS to be a whole number of 1 or more. Received: "
                f"{given}"
            )
        return int(given)
    from joblib import cpu_count

    return min(cpu_count(), _Limit.threads or sys.maxsize)


def threads_to_set() -> int | None:
    """Return how many threads to allow an engine; None: it finds out by itself."""
    count = usable_cores()
    return count if count != os.cpu_count() else None
