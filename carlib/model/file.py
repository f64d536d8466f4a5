"""The file a model lives in: a zip of numbers and of what they mean, nothing that runs.

| member | content |
|---|---|
| manifest.json | backbones, preprocessing, class names, options, metrics, hashes |
| backbone.npy | all weights of the backbone, float32, in Keras's order (*) |
| kernel.npy, bias.npy | the head, float32 (n_features, n_classes) and (n_classes,) |
| mean.npy, scale.npy | what standardises the features, float32 (n_features,) |
| confidence.npy, references.npy | what tells when it's not sure (**) |
| int8.xml, int8.bin | of an int8 backbone: its calibrated network, for OpenVINO |
| README.md | the model's card, for people: it isn't read, and may be missing |

(*) None of somebody's own Keras network, which only its owner can make again. A second
backbone's members are backbone-2.npy, int8-2.xml and int8-2.bin, and so on.
(**) Of a model that can tell; float32 (n, 5) and (m, n_features), see `Confidence`.
"""

import hashlib
import io
import json
import math
import os
import re
import reprlib
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from carlib.archives import checked_zip, read_member
from carlib.backbones import kept
from carlib.backbones.architectures import ARCHS, Architecture, find
from carlib.errors import ArchiveError, CarlibError, OptionError, printable
from carlib.files import write_zip
from carlib.messages import say
from carlib.model import manifest
from carlib.model.confidence import COLUMNS
from carlib.model.manifest import MAX_MANIFEST, MOST_BACKBONES

FORMAT = "carlib model"
FORMAT_VERSION = 5
HEAD = ("kernel", "bias", "mean", "scale")  # in the order of LinearHead's
CONFIDENCE = ("confidence.npy", "references.npy")
CARD = "README.md"
MAX_TOTAL = 1 << 30  # bytes; all of carlib's networks together have 530 MB
MAX_INT8 = (4 << 20, 1 << 20)  # bytes of xml, and of weights beyond float32's
MAX_CARD = 1 << 20  # bytes; of many classes it tells no more than of some
MOST_FEATURES = 1 << 20  # of a network of somebody's own
READABLE = 1 << 17  # characters of a manifest that is written for people, too
MOST_ROWS = 10_000  # of a history that would else be too long
_HEADER = 1 << 10  # bytes in front of an array's numbers, at most
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, "
    rb"'shape': \((\d{1,10}(?:, \d{1,10})*),?\), \} *\n",
    re.DOTALL,
)
# How many weights each of carlib's networks has; at another input size, and with the
# features of more layers, it has the same.
N_WEIGHTS = {
    "InceptionV3": 21_802_784,
    "MobileNetV2": 2_257_984,
    "MobileNetV2-0.35": 410_208,
    "MobileNetV2-0.5": 706_224,
    "MobileNetV2-0.75": 1_382_064,
    "MobileNetV2-1.3": 3_766_048,
    "MobileNetV2-1.4": 4_363_712,
    "ResNet50V2": 23_564_800,
    "ResNet101V2": 42_626_560,
    "EfficientNetLite0": 3_413_024,
    "EfficientNetLite1": 4_189_344,
    "EfficientNetLite2": 4_869_168,
}
N_WEIGHTS |= {arch: N_WEIGHTS[arch.split("-")[0]] for arch in ARCHS if "Lite" in arch}


def backbone_member(number: int) -> str:
    """Return where a backbone's weights lie; they count from 0."""
    return f"backbone{_suffix(number)}.npy"


def int8_members(number: int) -> tuple[str, str]:
    """Return where an int8 backbone's network lies."""
    return f"int8{_suffix(number)}.xml", f"int8{_suffix(number)}.bin"


def _suffix(number: int) -> str:
    return f"-{number + 1}" if number else ""


def write_model(
    path: str | os.PathLike,
    fields: dict,
    arrays: dict[str, np.ndarray],
    networks: dict[str, bytes],
    card: str,
) -> None:
    """Write a model's file atomically; the same model makes the same bytes.

    Args:
        fields: All of `manifest.FIELDS` but format_version and sha256.
        arrays, networks: The members, by name.
        card: What the file says of the model to people.

    Raises:
        OptionError: `read_model` would not take it.
    """
    members = {name: _npy(arrays[name]) for name in sorted(arrays)} | networks
    members[CARD] = card.encode("utf-8", "replace")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    data = _manifest_of(fields, hashes)
    write_zip(path, {"manifest.json": data, **members})


def _manifest_of(fields: dict, hashes: dict[str, str]) -> bytes:
    """Return a manifest's bytes, of what `read_model` takes."""
    said = {"format": FORMAT, "format_version": FORMAT_VERSION} | _as_json(fields)
    wrong = [*manifest.oddities(said), *manifest.faults(said | {"sha256": hashes})]
    if wrong:
        raise OptionError("Such a model can't be saved.", wrong)
    data = _encoded(said, hashes)
    if len(data) > MAX_MANIFEST and said["metrics"].pop("confusion_matrix", None):
        say("The metrics are saved without the confusion matrix: it is too large.")
        data = _encoded(said, hashes)
    if len(data) > MAX_MANIFEST and len(said["history"]["epoch"]) > MOST_ROWS:
        rows = {name: values[-MOST_ROWS:] for name, values in said["history"].items()}
        say(f"Of the history the last {MOST_ROWS:,} rows are saved: it is too long.")
        data = _encoded(said | {"history": rows}, hashes)
    if len(data) > MAX_MANIFEST:
        raise OptionError(
            f"Such a model can't be saved: what it says of itself has {len(data):,} "
            f"bytes, more than {MAX_MANIFEST:,}.",
            hint="Save it without metrics.",
        )
    return data


def _as_json(fields: dict) -> dict:
    """Return fields as they come back from JSON, with texts in one line and in UTF-8.

    A photo's name in a note, or that of a file of weights, may be neither.
    """
    try:
        text = json.dumps(fields, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Such a model can't be saved: {error}."
        raise OptionError(message, hint="Its metrics must be plain values.") from error
    said = json.loads(text.encode("utf-8", "replace"))
    said["notes"] = [printable(note)[:10_000] for note in said["notes"]]
    for backbone in said["backbones"]:
        backbone["weights"] = printable(backbone["weights"])
    return said


def _encoded(said: dict, hashes: dict[str, str]) -> bytes:
    signed = {"sha256": hashes | {"manifest.json": _hash_of_fields(said)}}
    text = json.dumps(said | signed, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= READABLE:
        text = json.dumps(said | signed, ensure_ascii=False, indent=2)
    return text.encode("utf-8")


def read_model(
    path: str | os.PathLike,
) -> tuple[dict, dict[str, np.ndarray], dict[str, bytes]]:
    """Read a model's fields, arrays and (of int8) networks, each checked by its hash.

    Raises:
        ArchiveError: It's not such a file, or damaged, or from a newer carlib.
    """
    most = len(HEAD) + len(CONFIDENCE) + 3 * MOST_BACKBONES + 2
    with checked_zip(path, most) as archive:
        names = archive.namelist()
        if "manifest.json" not in names:
            raise _no_model(names, ["manifest.json"])
        fields = _fields(read_member(archive, "manifest.json", MAX_MANIFEST))
        shapes, limits = _shapes(fields), _limits(fields)
        expected = {"manifest.json", *shapes, *limits}
        if set(names) - {CARD} != expected:
            raise _no_model(names, {*expected, CARD})
        limits |= {CARD: MAX_CARD} if CARD in names else {}
        limits |= {name: _n_bytes(shape) + _HEADER for name, shape in shapes.items()}
        _check_sizes(archive, limits)
        hashes = fields["sha256"]
        members = {n: _member(archive, n, limits[n], hashes) for n in limits}
    members.pop(CARD, None)
    read = {name: _array(name, members.pop(name), shapes[name]) for name in shapes}
    return fields, read, members


def _no_model(found: list[str], expected: Iterable[str]) -> ArchiveError:
    odd = [f"{name} is missing" for name in sorted(set(expected) - set(found))]
    odd += [
        f"{reprlib.repr(name)} has no place in one"
        for name in sorted(set(found) - set(expected))
    ]
    return ArchiveError("It's not a carlib model.", odd[:9])


def _shapes(fields: dict) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each array of a model; None where only others know."""
    backbones, n_classes = fields["backbones"], len(fields["class_names"])
    archs = {n: each["arch"] for n, each in enumerate(backbones) if not each["own"]}
    n_features = None
    if len(archs) == len(backbones):
        n_features = sum(find(arch).n_features for arch in archs.values())
    head = ((n_features, n_classes), (n_classes,), (n_features,), (n_features,))
    shapes = {f"{name}.npy": shape for name, shape in zip(HEAD, head, strict=True)}
    if told := fields["confidence"]:
        rows = (told["photos"], len(COLUMNS)), (told["references"], n_features)
        shapes |= zip(CONFIDENCE, rows, strict=True)
    weights = {backbone_member(n): (N_WEIGHTS[arch],) for n, arch in archs.items()}
    return shapes | weights


def _limits(fields: dict) -> dict[str, int]:
    """Return how many bytes each part of an int8 network may have."""
    limits = {}
    for number, each in enumerate(fields["backbones"]):
        if each["precision"] == "int8":
            xml, spare = MAX_INT8
            n_bytes = MAX_TOTAL if each["own"] else 4 * N_WEIGHTS[each["arch"]] + spare
            limits |= zip(int8_members(number), (xml, n_bytes), strict=True)
    return limits


def _n_bytes(shape: tuple[int | None, ...]) -> int:
    return 4 * math.prod(MOST_FEATURES if n is None else n for n in shape)


def _check_sizes(archive: zipfile.ZipFile, limits: dict[str, int]) -> None:
    sizes = {name: archive.getinfo(name).file_size for name in limits}
    large = [
        f"{name} has {size:,} bytes, more than {limits[name]:,}"
        for name, size in sizes.items()
        if size > limits[name]
    ]
    if sum(sizes.values()) > MAX_TOTAL:
        large.append(f"all together have more than {MAX_TOTAL:,} bytes")
    if large:
        raise ArchiveError("Its members are larger than such a model needs.", large)


def _fields(data: bytes) -> dict:
    fields = manifest.parsed(data)
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ArchiveError("It's a zip, but not a carlib model.")
    _check_version(fields)  # first: what a newer carlib writes may look quite different
    wrong = manifest.faults(fields)
    if wrong:
        raise ArchiveError("Fields of its manifest.json are not as expected.", wrong)
    if fields["sha256"].get("manifest.json") != _hash_of_fields(fields):
        raise ArchiveError("Its manifest.json is not what was saved: it was changed.")
    return fields


def _check_version(fields: dict) -> None:
    version, versions = fields.get("format_version"), fields.get("versions")
    if type(version) is not int or version == FORMAT_VERSION:
        return
    by = versions.get("carlib", "") if isinstance(versions, dict) else ""
    if version > FORMAT_VERSION:
        named = f", {by[:40]}" if by and isinstance(by, str) else ""
        message = f"It was saved by a newer carlib{named}."
        raise ArchiveError(message, hint="Upgrade carlib.")
    raise ArchiveError(
        f"It was saved in format {version}, before carlib's first release.",
        hint="Train the model again.",
    )


def _hash_of_fields(fields: dict) -> str:
    """Hash what the manifest says, but for the hashes themselves."""
    rest = {name: value for name, value in fields.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _member(
    archive: zipfile.ZipFile, name: str, limit: int, hashes: dict[str, str]
) -> bytes:
    data = read_member(archive, name, limit)
    if hashlib.sha256(data).hexdigest() != hashes.get(name):
        raise ArchiveError(f"{name} in it is not what was saved: it was changed.")
    return data


def _array(name: str, data: bytes, expected: tuple[int | None, ...]) -> np.ndarray:
    """Return an array without a look at anything but the one header that `_npy` makes.

    NumPy's own reader evaluates a header, and allocates what that says.
    """
    header = _NPY.match(data, 0, _HEADER)
    shape = tuple(map(int, header[1].split(b", "))) if header else ()
    start = 10 + int.from_bytes(data[8:10], "little")
    fits = header and header.end() == start and len(data) == start + _n_bytes(shape)
    if not fits:
        raise ArchiveError(f"{name} in it is not an array of float32 numbers.")
    if len(shape) != len(expected) or any(
        n not in (None, m) for n, m in zip(expected, shape, strict=True)
    ):
        raise ArchiveError(
            f"The shapes in it don't belong together: {name} has {shape}, and not "
            f"{expected}, which the backbones and the classes need."
        )
    array = np.frombuffer(data, "<f4", offset=start).reshape(shape)
    if not np.isfinite(array).all():
        raise ArchiveError(f"{name} in it holds other than numbers: NaN or infinity.")
    return array


def check_network(network: tuple[bytes, bytes], architecture: Architecture) -> None:
    """Refuse an int8 network that doesn't turn pixels into the backbone's features.

    Raises:
        ArchiveError: It's damaged, another network's, or has weights that are none.
    """
    size = architecture.input_size
    expected = [((1, size, size, 3), "u8"), ((1, architecture.n_features), "f32")]
    try:
        found = list(_ports(network))
    except CarlibError:
        raise
    except Exception as error:  # OpenVINO has no base of its own for what it raises
        lines = str(error).splitlines() or [type(error).__name__]
        raise ArchiveError(f"Its int8 network is damaged: {lines[0][:200]}") from error
    if found != expected:
        raise ArchiveError(
            f"Its int8 network is not one of {architecture.name}: it has {found}, and "
            f"not {expected}."
        )


def _ports(network: tuple[bytes, bytes]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield shape and type of what goes in and comes out, for one photo."""
    model = kept.model_from(network)
    model.reshape([1, *list(model.input().partial_shape)[1:]])  # as engines do
    for port in (*model.inputs, *model.outputs):
        yield tuple(port.shape), port.element_type.get_type_name()
    for node in model.get_ops():
        floats = node.get_type_name() == "Constant" and node.data.dtype.kind == "f"
        if floats and not np.isfinite(node.data).all():
            raise ArchiveError("Its int8 network has weights that are not numbers.")
