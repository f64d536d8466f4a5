"""Where a photo lies, told from its name alone: a file, a store, a server, a tar.

A name goes through tables, CSV files and other processes, so it is a plain text:

    photos/1.jpeg                       a file
    s3://bucket/photos/1.jpeg           an object in a store, a file on a server
    shards/000.tar/1.jpeg               a member of a tar; the tar may have an address
"""

import re
from collections.abc import Iterator
from pathlib import Path

# The protocols that are read, and the package of each beside fsspec. Others could run
# commands (ssh), or name files of this machine (reference, local, zip).
PACKAGES = {
    **dict.fromkeys(("http", "https"), "aiohttp"),
    "s3": "s3fs",
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
    "hdfs": "pyarrow",
    "memory": "",  # of this process
}
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:(//|:)|data:", re.IGNORECASE)
_PARTS = re.compile(r"([\w+.-]+)://([^/@]*@)?([^?#]*)", re.DOTALL)
_ODD = re.compile(r"[\0-\x1f\x7f]")
_IN_TAR = re.compile(r"(?<=[^/\\]\.tar)[/\\]", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Tell whether a name is an address, and no path; file:// stands for a path."""
    return bool(_ADDRESS.match(name)) and not name.lower().startswith("file://")


def is_on_web(address: str) -> bool:
    """Tell whether an address is a web server's."""
    return address.lower().startswith(("http://", "https://"))


def is_plain_file(name: str) -> bool:
    """Tell whether a name can only be that of a file by itself."""
    return not (_IN_TAR.search(name) or is_address(name))


def tars_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield each way to part a name into a tar and a member of it, outermost first.

    Example:
        >>> list(tars_of("shards/000.tar/1.jpeg"))
        [('shards/000.tar', '1.jpeg')]
    """
    for found in _IN_TAR.finditer(name):
        yield name[: found.start()], name[found.end() :].replace("\\", "/")


def protocol_of(address: str) -> str:
    """Return an address's protocol, such as s3."""
    return address.partition(":")[0].lower()


def shown(name: object) -> str:
    """Return an address without what may be secret in it: a user, a query.

    Example:
        >>> shown("https://me:word@example.org/1.jpeg?X-Amz-Signature=ab12")
        'https://example.org/1.jpeg'
    """
    text = str(name)
    if not is_address(text):
        return text
    found = _PARTS.match(text)
    return f"{found[1]}://{found[3]}" if found else f"{protocol_of(text)}:…"


def file_name(name: object) -> str:
    """Return a photo's own name, without its folders and what may be secret.

    Example:
        >>> file_name("https://example.org/photos/1.jpeg?X-Amz-Signature=ab12")
        '1.jpeg'
    """
    return Path(shown(name)).name


def folder_fault(address: str) -> str:
    """Return why an address can't be a folder's, or ""."""
    if "?" in address or "#" in address:
        return "an address with a query, which only a photo's may have"
    return address_fault(address)


def address_fault(address: str) -> str:
    """Return why an address isn't read, or ""."""
    protocol = protocol_of(address)
    found = _PARTS.fullmatch(re.sub(r"[?#].*", "", address, flags=re.DOTALL))
    if protocol == "data":
        return "an address that holds its own data: hand in the bytes"
    if "::" in address:
        return "a chain of addresses: hand in the photo's own"
    if protocol not in PACKAGES:
        read = ", ".join(f"{each}://" for each in PACKAGES)
        return f"an address with {protocol}://, which isn't read; {read} are"
    if not found or not found[3].strip("/") or _ODD.search(address):
        return "an address that names nothing, or holds a control character"
    if is_on_web(address) and " " in address:
        return "an address with a space in it: write %20"
    if found[2] and (is_on_web(address) or ":" in found[2]):
        return "an address with a password: leave that to the store's own settings"
    return ""
