"""Files in stores and on servers, read and listed within bounds of size and time.

Web servers are asked by requests, all others, and for lists, by fsspec: it knows each
store's settings and credentials, and none are taken from an address.
"""

import contextlib
import functools
import http
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, TypeVar
from urllib.parse import unquote

from carlib.data.addresses import (
    PACKAGES,
    address_fault,
    folder_fault,
    is_on_web,
    protocol_of,
    shown,
)
from carlib.data.opening import MAX_BYTES
from carlib.data.walk import is_junk
from carlib.downloads import plain
from carlib.errors import DataError, ImageError, OptionError

AT_ONCE = 32  # photos that are waited for: a store answers in 50 to 200 milliseconds
TIMEOUT = (5, 15)  # seconds to connect, and between two pieces
PATIENCE = 120  # seconds for all of a photo
DEEPEST = 20  # folders of a server, whose links may lead in a circle
PAUSES = (0.5, 2.0)  # seconds before a second and a third attempt
# Errors of packages that may not be here.
WORDS = {
    "ClientConnectorError": "no connection to the server",
    "FSTimeoutError": f"no answer within {PATIENCE} seconds",
    "NoCredentialsError": "there are no credentials for this store here",
}
_own = threading.local()
T = TypeVar("T")


class Entry(NamedTuple):
    """A file in a list: how to read it, and its bytes, 0 where they aren't told."""

    address: str
    size: int


class _Passing(OSError):
    """What may be gone when it's tried again."""


def read(address: str, most: int = MAX_BYTES) -> bytes:
    """Return what lies at an address.

    Raises:
        ImageError: It isn't there, can't be read, or has more than `most` bytes.
        OptionError: A package is missing.
    """
    with in_words(address):
        get = _from_web if is_on_web(address) else _from_store
        data = _again(lambda: get(address, most + 1))
    if len(data) > most:
        raise ImageError(f"{shown(address)} is too large: more than {most:,} bytes.")
    return data


def read_part(address: str, start: int, size: int) -> bytes:
    """Return some bytes of what lies at an address.

    Raises:
        ImageError: They can't be read, or aren't all there.
        OptionError: A package is missing.
    """
    with in_words(address):
        data = _again(lambda: _cat(address, start, start + size)) if size else b""
    if len(data) != size:
        raise ImageError(
            f"{shown(address)} can't be read: expected {size:,} bytes from byte "
            f"{start:,} on. Received: {len(data):,}"
        )
    return data


@contextlib.contextmanager
def opened(address: str) -> Iterator[BinaryIO]:
    """Yield what lies at an address as an open file that can be sought in.

    Raises:
        ImageError: It isn't there, or can't be read.
        OptionError: A package is missing.
    """
    with in_words(address), file_system(address).open(address, "rb") as file:
        yield file


def listed(address: str) -> dict[str, Entry]:
    """Return all files below an address, by their names from there on, sorted.

    The store is asked once; a web server, which must show its folders as pages of
    links, once a folder. What systems leave behind (`.DS_Store`) is left out.

    Raises:
        DataError: Nothing is there, or it can't be listed.
        OptionError: A package is missing.
    """
    if fault := folder_fault(address):
        raise OptionError(f"Expected a folder. Received: {shown(address)}, {fault}")
    root, files = address.rstrip("/"), file_system(address)
    files.invalidate_cache()
    try:
        with in_words(address):
            found = files.find(root, detail=True, **_loudly(address, files, root))
    except ImageError as error:
        raise DataError(error.message) from None
    start = root if is_on_web(address) else files._strip_protocol(root)
    entries = {}
    for path, about in found.items():
        name = path[len(start) :].lstrip("/")
        where = Entry(f"{root}/{name}", about.get("size") or 0)
        name = unquote(name) if is_on_web(address) else name
        if name and "?" not in where.address and not any(map(is_junk, name.split("/"))):
            entries[name] = where
    if not entries:
        raise DataError(f"There is no folder {shown(address)}, or nothing is in it.")
    if odd := [name for name, each in entries.items() if address_fault(each.address)]:
        raise DataError(f"Names in {shown(address)} that can't be read:", odd)
    return dict(sorted(entries.items()))


def _loudly(address: str, files: Any, root: str) -> dict[str, Any]:
    """Return what makes a list of a server's folders fail if one of them can't be had.

    The first is asked for on its own: its errors would be passed over all the same.
    """
    if not is_on_web(address):
        return {}
    files.ls(root, detail=False)
    return {"on_error": "raise", "maxdepth": DEEPEST}


def file_system(address: str) -> Any:
    """Return fsspec's file system for an address: one a protocol and process.

    Raises:
        OptionError: The address isn't read, or a package is missing.
    """
    if fault := address_fault(address):
        raise OptionError(f"Expected an address. Received: {shown(address)}, {fault}")
    return _file_system(protocol_of(address), os.getpid())


@functools.cache
def _file_system(protocol: str, _process: int) -> Any:
    package = PACKAGES[protocol]
    try:
        import fsspec

        return fsspec.filesystem(protocol, skip_instance_cache=True)
    except ImportError as error:
        missing = package if error.name != "fsspec" else "carlib[cluster]"
        raise OptionError(
            f"Photos at {protocol}:// are read by packages that aren't installed here.",
            hint=f'Install them: pip install "{missing}"'
            + (f' "{package}"' if package and missing != package else ""),
        ) from None


def _from_store(address: str, most: int) -> bytes:
    try:
        return _cat(address, 0, most)
    except FileNotFoundError:
        raise
    except OSError:  # of a file without a byte no part can be had
        if file_system(address).size(address) == 0:
            return b""
        raise


def _cat(address: str, start: int, end: int) -> bytes:
    files = file_system(address)
    patience = {"timeout": PATIENCE} if files.async_impl else {}
    return files.cat_file(address, start=start, end=end, **patience)


def _from_web(address: str, most: int) -> bytes:
    """Read a file piece by piece: what a server says of its size may be false."""
    data, began = bytearray(), time.monotonic()
    with _session().get(address, timeout=TIMEOUT, stream=True) as answer:
        _check_status(answer.status_code)
        for piece in answer.iter_content(2**16):
            data += piece
            if len(data) > most:
                break
            if time.monotonic() - began > PATIENCE:
                raise OSError(f"it takes more than {PATIENCE} seconds")
    return bytes(data)


def _session() -> Any:
    """Return this thread's connections: requests' aren't for several at once."""
    import requests

    if getattr(_own, "process", None) != os.getpid():
        _own.process, _own.session = os.getpid(), requests.Session()
    return _own.session


def _check_status(status: int) -> None:
    if status < 400:
        return
    if status in (404, 410):
        raise FileNotFoundError
    try:
        said = http.HTTPStatus(status).phrase
    except ValueError:
        said = "an error of its own"
    kind = _Passing if status == 429 or status >= 500 else OSError
    raise kind(f"the server answers {status}, {said}")


def _again(get: Callable[[], T]) -> T:
    """Try again where what went wrong may pass."""
    for pause in PAUSES:
        try:
            return get()
        except OSError as error:
            if not _may_pass(error):
                raise
            time.sleep(pause)
    return get()


def _may_pass(error: OSError) -> bool:
    import requests

    passing = ConnectionError | TimeoutError | requests.Timeout
    return isinstance(error, _Passing | passing | requests.ConnectionError)


@contextlib.contextmanager
def in_words(address: str) -> Iterator[None]:
    """Say what a store's packages raise as an ImageError, without any secret.

    Their own errors hold whole addresses, so they aren't named as its cause.
    """
    try:
        yield
    except (ImageError, OptionError):
        raise
    except FileNotFoundError:
        raise ImageError(f"{shown(address)} does not exist.") from None
    except Exception as error:  # each store's packages have errors of their own
        reason = _plain(error, address)
        raise ImageError(f"{shown(address)} can't be read: {reason}.") from None


def _plain(error: Exception, address: str) -> str:
    """Return an error's text in a line, without the queries of addresses."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if known := kinds & WORDS.keys():
        return WORDS[known.pop()]
    text = plain(error) if isinstance(error, OSError) else str(error)
    text = text.replace(address, shown(address)) or type(error).__name__
    text = re.sub(r"//[^/\s@]*@", "//", re.sub(r"\?\S*", "", text))
    return " ".join(text.split())[:200].rstrip(".")
