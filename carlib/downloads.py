"""Download a file: within bounds, in seconds or not at all, and whole or not at all."""

import hashlib
import os
import threading
import time
from pathlib import Path

from carlib.errors import CarlibError
from carlib.files import atomic_path
from carlib.messages import bar, say

# Seconds to connect, and between two pieces: a dead network is noticed in seconds,
# a slow one isn't given up.
TIMEOUT = (5, 15)
PAUSES = (1.0, 4.0)  # seconds before a second and a third attempt
PATIENCE = 8.0  # seconds in which the server must give any answer at all


class DownloadError(CarlibError):
    """A file could not be downloaded, or wasn't what was expected."""


def download(
    address: str,
    path: str | os.PathLike,
    max_bytes: int,
    known_hash: str | None = None,
) -> Path:
    """Download a file to a path, with a progress bar, in three attempts at most.

    Args:
        max_bytes: Give up beyond this size.
        known_hash: What the content must hash to: 64 hex digits of SHA-256, or "md5:"
            and 32.

    Raises:
        DownloadError: It can't be reached, is too large or has another hash. Nothing
            is left behind, and a file already at `path` stays as it was.
    """
    say(f"Downloading {address}")
    await_answer(address)
    try:
        with atomic_path(path) as temporary:
            _fetch_again(address, temporary, max_bytes)
            _check(temporary, known_hash)
    except OSError as error:  # requests' own errors are OSErrors too
        raise DownloadError(plain(error), hint=f"The address was {address}") from error
    return Path(path)


def await_answer(address: str) -> None:
    """Raise a DownloadError if a server gives no answer within PATIENCE.

    A thread, because neither the look-up of a name nor the sum of the attempts at a
    server's several addresses obeys a connection's timeout.
    """
    import requests

    found: list[str] = []

    def ask() -> None:
        try:
            requests.head(address, timeout=TIMEOUT, allow_redirects=True)
            found.append("")
        except OSError as error:
            found.append(plain(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    problem = found[0] if found else f"no answer within {PATIENCE:g} seconds"
    if problem:
        raise DownloadError(problem)


def _fetch_again(address: str, path: Path, max_bytes: int) -> None:
    """Fetch a file; try again where what went wrong may pass."""
    for pause in (*PAUSES, None):
        try:
            return _fetch(address, path, max_bytes)
        except OSError as error:
            if pause is None or not _may_pass(error):
                raise
            say(f"{plain(error)}; trying again in {pause:g} seconds.".capitalize())
            time.sleep(pause)


def _may_pass(error: OSError) -> bool:
    import requests

    answer = getattr(error, "response", None)
    if isinstance(error, requests.HTTPError) and answer is not None:
        return answer.status_code >= 500
    passing = requests.ConnectionError | requests.Timeout
    return isinstance(error, passing | requests.exceptions.ChunkedEncodingError)


def _fetch(address: str, path: Path, max_bytes: int) -> None:
    import requests

    with (
        requests.get(address, timeout=TIMEOUT, stream=True) as answer,
        path.open("wb") as file,
    ):
        answer.raise_for_status()
        total = int(answer.headers.get("Content-Length", 0)) or None
        name = address.rsplit("/", 1)[-1]
        with bar(total, name, "B", unit_scale=True) as shown:
            for piece in answer.iter_content(2**16):
                file.write(piece)
                shown.update(len(piece))
                if file.tell() > max_bytes:
                    raise DownloadError("the file is larger than expected")


def _check(path: Path, known_hash: str | None) -> None:
    algorithm, _, expected = (known_hash or "").rpartition(":")
    with path.open("rb") as file:
        start = file.read(15)
        file.seek(0)
        found = hashlib.file_digest(file, algorithm or "sha256") if expected else None
    if start.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        raise DownloadError(
            f"a web page of {path.stat().st_size:,} bytes came in its place, such as a "
            "network sends that wants a log-in"
        )
    if found and found.hexdigest() != expected:
        raise DownloadError(
            f"{path.stat().st_size:,} bytes that begin with {start!r} came, with "
            "another hash than expected"
        )


def plain(error: OSError) -> str:
    """Say in a few words what went wrong; urllib3's own messages take ten lines."""
    import requests

    kinds = {
        requests.exceptions.SSLError: "the server's certificate is not trusted",
        requests.exceptions.ProxyError: "the proxy refused",
        requests.exceptions.ConnectTimeout: "the server doesn't answer",
        requests.exceptions.ReadTimeout: "the server stopped answering",
        requests.exceptions.ChunkedEncodingError: "the connection was cut",
        requests.exceptions.ConnectionError: "no connection to the server",
    }
    return next(
        (text for kind, text in kinds.items() if isinstance(error, kind)), str(error)
    )
