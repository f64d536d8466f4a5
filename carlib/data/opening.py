"""A photo's bytes, read and opened within bounds: of memory, of time, of patience.

A small file can ask for gigabytes, or keep a decoder busy for minutes; what its header
says decides before anything is decoded.
"""

import contextlib
import io
import os
import re
import struct
import threading
import warnings
from collections.abc import Iterator

from PIL import Image, ImageFile, UnidentifiedImageError

from carlib.errors import ImageError, OptionError
from carlib.reading import open_file

MAX_BYTES = 512 * 2**20
MAX_PIXELS = 89_000_000  # just below where Pillow begins to warn of bombs
MAX_SCANNED = 600_000_000  # pixels × scans of a JPEG: what decodes in some 2 seconds
MAX_CHUNKS = 50_000  # of a PNG
MAX_MEGABYTES = 256  # that decoding a photo may take; CARLIB_PHOTO_MB sets another
READ = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# What a file is, told by how it starts, that can't be read as one of those.
OTHERS = {
    rb"....ftyp": "is HEIC, AVIF or a film",
    rb"\0\0\0\x0cjP  |\0\0\0\x0cJXL |\xff\x0a": "is JPEG 2000 or JPEG XL",
    rb"%PDF|PK\x03\x04": "is a PDF or a zip",
    rb"(?i).{0,999}<svg": "is SVG",
    rb"(\xef\xbb\xbf)?\s*<": "looks like HTML, not an image",
    rb"(\xef\xbb\xbf)?\s*[{\[]": "looks like JSON, not an image",
    rb"\xff\xd8.{2,}\xff[\xc0-\xc2]\0.\x0c": "is a JPEG of 12 bits a colour",
    rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP": "is cut off or damaged",
    rb"BM|GIF8[79]a|II\*\0|MM\0\*": "is cut off or damaged",
}


_STARTS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|RIFF....WEBP|BM.{4}\0{4}|GIF8[79]a|II\*\0|MM\0\*",
    re.DOTALL,
)


def starts_like_a_photo(data: bytes) -> bool:
    """Tell whether a file's first 16 bytes are those of a format that is read."""
    return bool(_STARTS.match(data))


def read(path: str | os.PathLike) -> bytes:
    """Return the bytes of a photo's file.

    Raises:
        ImageError: It's missing, unreadable, over 512 MiB or not a regular file.
    """
    return read_with_status(path)[0]


def read_with_status(path: str | os.PathLike) -> tuple[bytes, os.stat_result]:
    """Return the bytes of a photo's file, and its own status from just before.

    Raises:
        ImageError: As from `read`.
    """
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_BYTES:
                raise ImageError(f"{path} is too large: {status.st_size:,} bytes.")
            return file.read(min(status.st_size + 1, MAX_BYTES)), status
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path} can't be read: {reason}.") from error


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Yield an encoded photo as Pillow's image, its size checked, not yet loaded.

    Raises:
        ImageError: Empty, of another format, over 89 megapixels, or whatever the
            decoder raises inside of the block.
    """
    if not data:
        raise ImageError(f"{name} is empty.")
    if data.startswith(b"\x89PNG") and _chunks(data) > MAX_CHUNKS:
        raise ImageError(f"{name} is a PNG of more than {MAX_CHUNKS:,} chunks.")
    with (
        in_words(name, data),
        Image.open(io.BytesIO(data), formats=READ) as image,
    ):
        check_size(image.size, name)
        _check_scans(image, data, name)
        yield image


@contextlib.contextmanager
def in_words(name: str, data: bytes) -> Iterator[None]:
    """Say what a decoder raises as an ImageError, and keep Pillow quiet meanwhile."""
    try:
        with _pillow_settings:
            yield
    except (ImageError, OptionError):
        raise
    except UnidentifiedImageError as error:
        hint = "JPEG, PNG, WebP, BMP, GIF and TIFF are read."
        raise ImageError(f"{name} {_what_else(data)}.", hint=hint) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has more pixels than {MAX_PIXELS:,}.") from error
    except Exception as error:  # hostile bytes get nearly anything out of a decoder
        detail = str(error) or type(error).__name__
        raise ImageError(f"{name} is cut off or damaged: {detail}.") from error


_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # EXIF's tag; the values' meaning: CIPA DC-008, 4.6.4 A


def upright(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF asks; what is damaged there asks for nothing.

    Damage elsewhere in the EXIF doesn't keep the orientation from being found.
    """
    orientation = _orientation_in(image.info.get("exif") or b"")
    if orientation is None:
        with contextlib.suppress(Exception):  # Pillow lets a parser's errors out
            orientation = image.getexif().get(_ORIENTATION)
    turn = _TURNED.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _orientation_in(exif: bytes) -> int | None:
    """Return what the first directory of EXIF's bytes says of the orientation."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    with contextlib.suppress(struct.error, TypeError):
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for place in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, place)
            if (tag, kind) == (_ORIENTATION, 3):
                return value
    return None


def _what_else(data: bytes) -> str:
    kinds = (kind for start, kind in OTHERS.items() if re.match(start, data, re.DOTALL))
    return next(kinds, "is not an image of a known format")


def check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        most = f"at most {MAX_PIXELS / 1e6:g} million are decoded"
        raise ImageError(f"{name} is {width:,} × {height:,} pixels; {most}.")


def check_memory(image: Image.Image, name: str) -> None:
    """Refuse a photo that would take much memory: 4 or 8 bytes a pixel in Pillow.

    With transparency it is laid over white, in pictures of 4 bytes a pixel.
    """
    width, height = image.size
    per_pixel = 8 + 16 * (image.mode != "RGB" and image.has_transparency_data)
    limit = _megabytes()
    needed = width * height * per_pixel / 1e6
    if needed > limit:
        raise ImageError(
            f"{name} is {width:,} × {height:,} pixels and takes {needed:,.0f} MB to "
            f"decode; {limit:g} MB are allowed: set CARLIB_PHOTO_MB to allow more."
        )


def _megabytes() -> float:
    given = os.environ.get("CARLIB_PHOTO_MB", "").strip()
    try:
        return float(given or MAX_MEGABYTES)
    except ValueError as error:
        message = f"Expected CARLIB_PHOTO_MB to be a number. Received: {given}"
        raise OptionError(message) from error


def _check_scans(image: Image.Image, data: bytes, name: str) -> None:
    """Refuse a small JPEG that would keep the decoder busy for long."""
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        scans = data.count(b"\xff\xda")  # which image data never hold otherwise
        if scans > 1 and scans * width * height > MAX_SCANNED:
            raise ImageError(f"{name} is a JPEG of {scans:,} scans: too many.")


def _chunks(png: bytes) -> int:
    """Count a PNG's chunks, up to one more than are accepted."""
    place, count = 8, 0
    while place + 4 <= len(png) and count <= MAX_CHUNKS:
        place += 12 + int.from_bytes(png[place : place + 4], "big")
        count += 1
    return count


class _PillowSettings:
    """Hold Pillow to whole images, and quiet about their metadata, while we decode.

    Both are settings of the whole process: other code may have turned on the tolerance
    of cut-off images, and a warning that names no photo helps nobody. They are as they
    were when the last of our threads is done.
    """

    quiet = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

    def __init__(self) -> None:
        self.lock, self.inside, self.theirs = threading.Lock(), 0, False

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.theirs = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            if self.quiet not in warnings.filters:
                warnings.filters.insert(0, self.quiet)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                ImageFile.LOAD_TRUNCATED_IMAGES = self.theirs
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(self.quiet)


_pillow_settings = _PillowSettings()
