"""Download a file: within bounds, in seconds or not at all, and whole or not at all."""

import os
import threading
from pathlib import Path
from typing import BinaryIO

from carlib.errors import CarlibError
from carlib.files import atomic_path
from carlib.messages import say

# Seconds to connect, and between two pieces: a dead network is noticed in seconds,
# a slow one isn't given up.
TIMEOUT = (5, 15)
PATIENCE = 8.0  # seconds in which the server must give any answer at all


class DownloadError(CarlibError):
    """A file could not be downloaded, or wasn't what was expected."""


def download(
    address: str,
    path: str | os.PathLike,
    max_bytes: int,
    known_hash: str | None = None,
) -> Path:
    """Download a file to a path, with a progress bar.

    Args:
        max_bytes: Give up beyond this size.
        known_hash: What the content must hash to, as pooch writes it: 64 hex digits of
            SHA-256, or "md5:" and 32.

    Raises:
        DownloadError: It can't be reached, is too large or has another hash. Nothing
            is left behind, and a file already at `path` stays as it was.
    """
    say(f"Downloading {address}")
    path = Path(path)
    await_answer(address)
    try:
        with atomic_path(path) as temporary:
            _fetch(address, temporary, max_bytes)
            _check(temporary, known_hash)
    except OSError as error:  # requests' own errors are OSErrors too
        raise DownloadError(_plain(error), hint=f"The address was {address}") from error
    return path


def await_answer(address: str) -> None:
    """Raise a DownloadError if a server gives no answer within PATIENCE.

    A thread, because neither the look-up of a name nor the sum of the attempts at a
    server's several addresses obeys a connection's timeout.
    """
    import pooch

    failures: list[OSError] = []

    def ask() -> None:
        try:
            pooch.HTTPDownloader(timeout=TIMEOUT)(address, None, None, check_only=True)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise DownloadError(f"no answer within {PATIENCE:g} seconds")
    if failures:
        raise DownloadError(_plain(failures[0])) from failures[0]


def _fetch(address: str, path: Path, max_bytes: int) -> None:
    import pooch
    from tqdm.auto import tqdm

    answers: list = []
    hooks = {"response": lambda answer, *_, **__: answers.append(answer)}
    # A total of 1 until the server has told it: tqdm has no truth value without one.
    bar = tqdm(desc=address.rsplit("/", 1)[-1], total=1, unit="B", unit_scale=True)
    fetch = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT, hooks=hooks)
    try:
        with path.open("wb") as file:
            fetch(address, _Bounded(file, max_bytes), None)
    finally:
        bar.close()
        for answer in answers:  # pooch leaves the connection open where it fails
            answer.close()


class _Bounded:
    """A file that refuses to grow beyond a size."""

    def __init__(self, file: BinaryIO, max_bytes: int):
        self.file, self.left = file, max_bytes
        self.flush = file.flush

    def write(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            raise DownloadError("the file is larger than expected")
        self.file.write(data)


def _check(path: Path, known_hash: str | None) -> None:
    import pooch

    if not pooch.hashes.hash_matches(path, known_hash):
        with path.open("rb") as file:
            start = file.read(15)
        raise DownloadError(
            f"{path.stat().st_size:,} bytes that begin with {start!r} came, with "
            "another hash than expected"
        )


def _plain(error: OSError) -> str:
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
