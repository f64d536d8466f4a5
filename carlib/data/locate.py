"""Where the data come from: a folder, a zip, the workshop's download or the sample."""

import contextlib
import difflib
import os
import tempfile
from pathlib import Path

from carlib.archives import checked_zip, unzip
from carlib.data.addresses import folder_fault, is_address, shown
from carlib.data.tars import is_tar
from carlib.data.walk import PHOTO_SUFFIXES, is_junk
from carlib.downloads import DownloadError, await_answer, download
from carlib.errors import ArchiveError, DataError
from carlib.files import temporary_folder, write_text
from carlib.messages import say
from carlib.reading import sha256_of

ADDRESS = "https://storage.googleapis.com/bucket-8732/car_damage/preprocessed.zip"
MAX_BYTES = 200 * 2**20
NOTICE = (
    "These photos are a third party's (Peltarion AB), not part of this project: "
    "see data/README.md before using them for anything else."
)


def locate_data(
    source: str | os.PathLike = "auto", *, home: str | os.PathLike | None = None
) -> Path | str:
    """Find the photos, download them if need be, and say which they are and why.

    Args:
        source: A folder or a zip of one; a tar or several, shards/{000..009}.tar; the
            address of a folder or of tars, such as s3://bucket/photos; or "download",
            the workshop's photos; or "sample", the drawn ones; or "auto", the first
            there is of the environment variable CARLIB_DATA (such a place), the
            workshop's photos downloaded before, their download, the sample.
        home: Where a zip or the download is unpacked. Default: the folder `data` of the
            checkout that the current folder is in, else `data` in the current folder.

    Returns:
        What `load_index` reads: a folder or tars, relative to the current folder where
        they are near; an address, which ends in a slash if it's that of a folder.

    Raises:
        DataError: There's nothing at the place named (addresses aren't tried), or the
            download was asked for by name and failed.
        ArchiveError: The zip is damaged or holds something dangerous.

    Example:
        >>> photos = carlib.load_index(carlib.locate_data("sample"))
    """
    home = _near(Path(home).expanduser() if home is not None else default_home())
    if source == "auto":
        folder, why = _automatic(home)
    elif source == "download":
        folder, why = _downloaded(home)
    elif source == "sample":
        folder, why = sample_folder(), "the drawn sample, as asked for"
    else:
        folder, why = _given(source, home), "as given"
    if isinstance(folder, Path):
        folder = _near(_without_wrapper(folder))
    called = folder.as_posix() if isinstance(folder, Path) else folder
    say(f"Data: {called} ({why})")
    return folder


def _automatic(home: Path) -> tuple[Path | str, str]:
    given = os.environ.get("CARLIB_DATA", "").strip()
    if given:
        return _given(given, home, "CARLIB_DATA: "), "named by CARLIB_DATA"
    try:
        return _downloaded(home)
    except (DataError, ArchiveError) as error:
        say(str(error))
        return sample_folder(), "the drawn sample instead"


def _given(given: str | os.PathLike, home: Path, origin: str = "") -> Path | str:
    if is_address(str(given)):
        return _address(str(given), origin)
    path = Path(given).expanduser()
    if path.is_dir() or (is_tar(path) and (path.is_file() or "{" in str(path))):
        return path
    if path.is_file():
        return _unpacked(path, home)
    like, folder = _like(path), Path.cwd() / path.parent
    raise DataError(
        f"{origin}there is no folder or zip {path}; looked in {folder}.",
        hint=(f"Did you mean {like}? " if like else "")
        + "Data are a folder or a zip, or one of the words download, sample and auto.",
    )


def _address(address: str, origin: str) -> str:
    """Return an address of data, as that of a folder if it isn't a tar's."""
    fault = folder_fault(address)
    if fault or address.lower().endswith(".zip"):
        why = fault or "a zip, which isn't read there: download it first"
        raise DataError(
            f"{origin}expected the address of a folder or a tar. Received: "
            f"{shown(address)}, {why}"
        )
    return address if is_tar(address) else f"{address.rstrip('/')}/"


def _like(path: Path) -> Path | None:
    """Return what lies beside a path that isn't there, and may have been meant."""
    try:
        names = {each.name.casefold(): each for each in path.parent.iterdir()}
    except OSError:
        return None
    found = difflib.get_close_matches(path.name.casefold(), names, 1)
    return names[found[0]] if found else None


def _unpacked(path: Path, home: Path) -> Path:
    """Unpack a zip into a folder that its content names, once."""
    _check_layout(path)
    folder = home / f"{path.stem[:80]}-{sha256_of(path)[:12]}"
    if not folder.is_dir():
        _check_writable(home)
        unzip(path, folder)
    return folder


def _downloaded(home: Path) -> tuple[Path, str]:
    """Return the workshop's photos and how they came here."""
    folder, remembered = home / "car_damage", home / "car_damage.sha256"
    if folder.is_dir():
        return folder, "the workshop's photos, downloaded before"
    _ask_first()
    _check_writable(home)
    with temporary_folder(folder) as temporary:
        path = _fetch(temporary / "preprocessed.zip")
        if remembered.exists() and not _is_known(sha256_of(path), remembered):
            path = _fetch(path)  # it may have been a matter of the moment
        found = sha256_of(path)
        _check_hash(found, remembered)
        unzip(path, folder)
    write_text(remembered, found + "\n")
    return folder, "the workshop's photos, just downloaded"


def _ask_first() -> None:
    """Raise if there's no network, before a folder is made for nothing."""
    try:
        await_answer(ADDRESS)
    except DownloadError as error:
        raise _no_download(error.message) from error


def _fetch(path: Path) -> Path:
    say(NOTICE)
    try:
        download(ADDRESS, path, MAX_BYTES)
        _check_layout(path)
    except (DownloadError, ArchiveError, DataError) as error:
        said = error.message.rstrip(".").replace(str(path), path.name)
        raise _no_download(said) from error
    return path


def _no_download(reason: str) -> DataError:
    return DataError(
        f"{ADDRESS} can't be downloaded: {reason}.",
        hint="Or get it in a browser, and set CARLIB_DATA to the zip's path.",
    )


def _check_layout(path: Path) -> None:
    """Refuse, before unpacking it, a zip that holds no data."""
    with checked_zip(path) as archive:
        names = archive.namelist()
    suffixes = {Path(name).suffix.lower() for name in names}
    if not suffixes & {".csv", *PHOTO_SUFFIXES}:
        shown = ", ".join(names[:5]) or "nothing"
        raise DataError(f"{path.name} holds no index.csv and no photos, but {shown}.")


def _is_known(found: str, remembered: Path) -> bool:
    return found == remembered.read_text("utf-8").strip()


def _check_hash(found: str, remembered: Path) -> None:
    """Compare a download with the first that there was."""
    if remembered.exists() and not _is_known(found, remembered):
        known = remembered.read_text("utf-8").strip()
        raise DataError(
            "The download is not the file that it was the first time: its SHA-256 is "
            f"{found}, and was {known}.",
            hint=f"If you trust the new one, delete {_near(remembered)}.",
        )


def _check_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=home).cleanup()
    except OSError as error:
        raise DataError(
            f"Data can't be kept in {_near(home)}: {error.strerror}.",
            hint="Name another folder: locate_data(home=...).",
        ) from error


def default_home() -> Path:
    """Return where a zip or the download is unpacked if nobody says."""
    here = Path.cwd()
    homes = [p / "data" for p in (here, *here.parents)]
    checkouts = (p for p in homes if (p / "sample" / "index.csv").is_file())
    return next(checkouts, homes[0])


def sample_folder() -> Path:
    """Return the drawn sample: inside the package, or in carlib's own checkout."""
    package = Path(__file__).resolve().parents[1]
    places = [package / "sample", package.parent / "data" / "sample"]
    for place in places:
        if (place / "index.csv").is_file():
            return place
    raise DataError("The drawn sample is in none of:", [str(_near(p)) for p in places])


def is_sample(folder: Path) -> bool:
    """Tell, by its index, whether a folder holds the drawn sample, wherever it lies."""
    with contextlib.suppress(OSError, ValueError, DataError):
        return _index_of(folder) == _index_of(sample_folder())
    return False


def _index_of(folder: Path) -> str:
    return (folder / "index.csv").read_text("utf-8")


def _without_wrapper(folder: Path) -> Path:
    """Go down where a folder was zipped, and not its content."""
    if folder.is_file() or (folder / "index.csv").exists() or "{" in str(folder):
        return folder
    inside = [path for path in folder.iterdir() if not is_junk(path.name)]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _near(path: Path) -> Path:
    """Make a path relative, unless the way leads far up or over the root."""
    try:
        relative = Path(os.path.relpath(path))
    except ValueError:  # on another drive
        return path
    up = relative.parts.count("..")
    return relative if up <= 3 and up < len(Path.cwd().parts) - 1 else path
