"""What the fuzzer starts from, and what it does to it."""

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.properties.written import (
    FIELDS,
    MEMBERS,
    OWN,
    View,
    checkpoint,
    model,
    npy,
    sealed,
    zipped,
)

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample"
MOST = 1 << 16  # bytes of an input


def photos() -> list[Image.Image]:
    """Return two of the drawn photos, small."""
    found = []
    for path in sorted((SAMPLE / "image").iterdir())[:2]:
        with Image.open(path) as image:
            found.append(image.resize((48, 36)))
    return found


def _index() -> list[bytes]:
    lines = (SAMPLE / "index.csv").read_bytes().splitlines(keepends=True)[:6]
    plain = b"".join(lines)
    return [
        plain,
        plain.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + plain.replace(b",", b" , "),
        plain.replace(b",T", b",train").replace(b"image/", b".\\image\\"),
        b'class,note,subset,image\n"a ""b""\n",x,V,image/001.jpeg\n',
        plain + "image/006.jpeg,ünfall 🚗,T\n".encode(),
    ]


def _images() -> list[bytes]:
    first, second = photos()
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = first.convert("RGBA")
    rgba.putalpha(128)
    grey16 = Image.fromarray(np.asarray(first.convert("L")).astype(np.uint16) * 257)
    ways: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (first, "JPEG", {"exif": exif}),
        (first, "JPEG", {"progressive": True, "icc_profile": b"profile"}),
        (first.convert("CMYK"), "JPEG", {}),
        (first, "MPO", {"save_all": True, "append_images": [second]}),
        (first, "PNG", {"exif": exif}),
        (rgba, "PNG", {}),
        (grey16, "PNG", {}),
        (first.convert("P"), "PNG", {"transparency": 3}),
        (rgba, "WEBP", {"lossless": True}),
        (first, "WEBP", {"save_all": True, "append_images": [second]}),
        (first, "BMP", {}),
        (first.convert("P"), "GIF", {"save_all": True, "append_images": [second]}),
        (first.convert("F"), "TIFF", {}),
        *(
            (first, "TIFF", {"compression": c})
            for c in ("tiff_lzw", "jpeg", "packbits")
        ),
    ]
    return [_encoded(*way) for way in ways]


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _zips() -> list[bytes]:
    photo = _encoded(photos()[0], "JPEG", {})
    members = {"a/index.csv": _index()[0], "a/image/001.jpeg": photo, "a/b/": b""}
    commented = io.BytesIO(zipped(members))
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"a comment"
    return [
        zipped(members),
        zipped(members, zipfile.ZIP_DEFLATED),
        zipped({"__MACOSX/._a": b"1", "b\\c": b"2", "ü.txt": b"3"}),
        commented.getvalue(),
        zipped({}),
    ]


def _models() -> list[bytes]:
    names = ["a", "b", "c"]
    wider = MEMBERS | {"kernel.npy": npy(np.ones((4, 3), "<f4"))}
    wider["bias.npy"] = npy(np.zeros(3, "<f4"))
    flipped = FIELDS | {"augment": "flip", "notes": [], "metrics": {}}
    # Of a network that carlib has; its weights are too few, and may be refused.
    known = OWN | {"arch": "EfficientNetLite0", "own": ""}
    weights = MEMBERS | {"backbone.npy": npy(np.zeros(3, "<f4"))}
    int8 = weights | {"int8.xml": b"<net/>", "int8.bin": b""}
    return [
        model(FIELDS),
        model(FIELDS | {"class_names": names}, wider),
        model(flipped),
        model(FIELDS | {"backbones": [known]}, weights),
        model(FIELDS | {"backbones": [known | {"precision": "int8"}]}, int8),
    ]


def _checkpoints() -> list[bytes]:
    numbers, whole = np.arange(12, dtype="<f4"), np.arange(3, dtype="<i8")
    views = {"a.weight": View("0", 0, (3, 4), (4, 1)), "n": View("1", 0, (), ())}
    slanted = {"b": View("0", 1, (2, 2), (1, 5)), "c": View("0", 0, (12,), (1,))}
    return [
        checkpoint(views, {"0": numbers, "1": whole}),
        checkpoint(slanted, {"0": numbers}),
        checkpoint({"d": View("0", 0, (1, 3, 2, 2), (12, 4, 2, 1))}, {"0": numbers}),
    ]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "index": _index,
    "image": _images,
    "zip": _zips,
    "model": _models,
    "checkpoint": _checkpoints,
}

NUMBERS = [
    *(struct.pack("<H", n) for n in (0, 1, 0x7FFF, 0xFFFF)),
    *(struct.pack(f"{end}I", n) for end in "<>" for n in (1, 0x7FFFFFFF, 0xFFFFFFFF)),
    struct.pack("<Q", 1 << 63),
]
TOKENS: dict[str, list[bytes]] = {
    "index": [
        *(b",", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b";", b"\t", b" ", b"\\"),
        *(b"../", b"/", b"C:", b"..", b".", b"image/", b"image/001.jpeg", b"~"),
        *(b"image,class,subset\n", b",T\n", b",V\n", b",test\n", b"score", b"error"),
        *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xff", b"\x1b[31m"),
        *("\u200b\u202e\u0301\u00a0\u2028é".encode(), "e\u0301".encode(), b"NaN"),
        *(b"loop", b"out", b"fifo", b"link/001.jpeg", b"x" * 300, b"'" * 9),
    ],
    "image": [
        *(b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xe1"),
        *(b"\xff\xc4", b"\xff\xdb", b"\xff\xdd", b"Exif\0\0II*\0", b"ICC_PROFILE\0"),
        *(b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"acTL"),
        *(b"GIF89a", b"NETSCAPE2.0", b"RIFF", b"VP8L", b"VP8X", b"ANMF", b"MPF\0"),
        *(b"BM", b"II*\0", b"MM\0*", b"<svg", b"{", b"%PDF"),
    ],
    "zip": [
        *(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08"),
        *(b"../", b"/", b"C:", b"\\", b"\0", b"\xff", b"a", b"A", b"e\xcc\x81"),
        *(
            b"\x01\x00\x10\x00",
            b"up\x09\x00\x01",
            b"\x1b[2J",
            b"\n",
            b"CON",
            b"x" * 300,
        ),
    ],
    "checkpoint": [
        *(b"\x80\x02", b".", b"Q", b"R", b"t", b"(", b"u", b"}", b"]", b"\x89", b"0"),
        *(b"cos\nsystem\n", b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n"),
        *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"J\xff\xff\xff\xff", b"K\0", b"2"),
        *(b"q\0", b"h\0", b"r\xff\xff\xff\x7f", b"r\0\0\0\x01", b"j\0\0\0\0", b"b"),
        *(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"B\xff\xff\xff\x7f", b"\x81"),
        *(b"\x8a\x01\xff", b"I1\n", b"F1\n", b"N", b"\x86", b"\x85", b"\x93", b"\x97"),
    ],
}
TOKENS["model"] = TOKENS["zip"]


def mutate(reader: str, data: bytes, rng: random.Random) -> bytes:
    """Return something near to an input, or to what its reader reads in general."""
    if reader == "model" and rng.random() < 0.8:
        return _changed_model(data, rng)
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 9))):
        _edit(changed, TOKENS[reader], rng)
    return bytes(changed[:MOST])


def splice(first: bytes, second: bytes, rng: random.Random) -> bytes:
    """Return the beginning of one input with the end of another."""
    cut, begin = rng.randrange(len(first) + 1), rng.randrange(len(second) + 1)
    return (first[:cut] + second[begin:])[:MOST]


def _edit(data: bytearray, tokens: list[bytes], rng: random.Random) -> None:
    """Flip, set, cut, repeat or write over a few bytes at one place."""
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 16, 256)))
    token = rng.choice([*tokens, *NUMBERS, bytes([rng.randrange(256)])])
    how = rng.randrange(6)
    if how == 0 and at < len(data):
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        data[at:end] = b""
    elif how == 2:
        data[at:at] = data[at:end] * rng.choice((1, 2, 9))
    elif how == 3:
        data[at:at] = token
    elif how == 4:
        data[at : at + len(token)] = token
    elif at < end:
        data[at] = (data[at] + rng.choice((-1, 1, 16))) % 256


# Written into JSON as they are, in the place of a value.
RAW = [
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "0",
    "1" * 400,
    "1" * 5000,
    "[" * 900 + "]" * 900,
    "[" * 20_000 + "]" * 20_000,
    '"\\ud800"',
    '"\\u001b[31m\\u202e"',
    '{"\\ud800": {}}',
]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2,
        10**30,
        0.5,
        "",
        "a",
        "auto",
        "int8",
        "flip",
        [],
        {},
    ),
    *("bfloat16", "EfficientNetLite0", "MobileNetV2-0.35", "imagenet", "x" * 5000),
    *([[]], [None], [1, 2, 3], ["a", "a"], {"a": 1}, {"": [1]}, ["a", "\u0301", " "]),
    *(["score", "error"], ["a\nb", "\x1b[2J"], ["é", "e\u0301"], [[0.1] * 9] * 3),
]


def _changed_model(data: bytes, rng: random.Random) -> bytes:
    """Change what a model's members say, with hashes that are right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        fields = json.loads(members.pop("manifest.json"))
        if rng.random() < 0.3:
            name = rng.choice(sorted(members))
            members[name] = _changed_array(members[name], rng)
        else:
            fields = changed_json(fields, rng)
        raw = rng.choice(RAW) if rng.random() < 0.2 else None
        text = json.dumps(sealed(_marked(fields, rng) if raw else fields, members))
        if raw:  # the hash fits only a value that reads back as it was written
            text = _with_raw(text, raw, members)
        return zipped({"manifest.json": text.encode(), **members})[:MOST]
    except Exception:  # it is no model any more
        return mutate("zip", data, rng)


def _marked(fields: dict, rng: random.Random) -> dict:
    return _replaced(fields, rng, lambda value: "\0")


def _with_raw(text: str, raw: str, members: dict[str, bytes]) -> str:
    text = text.replace('"\\u0000"', raw)
    try:
        return json.dumps(sealed(json.loads(text), members))
    except (RecursionError, ValueError):
        return text


def _changed_array(data: bytes, rng: random.Random) -> bytes:
    heads = [b"'<f4'", b"'|O'", b"'<f8'", b"(4, 2)", b"(4,)", b"(99999999999,)", b"-1"]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        _edit(changed, [*heads, b"True", b"\x93NUMPY\x02\0", b"\0\0\xc0\x7f"], rng)
    return bytes(changed)


def changed_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one place in it deleted, doubled or replaced."""
    return _replaced(value, rng, lambda _: copy.deepcopy(rng.choice(VALUES)))


def _replaced(value: Any, rng: random.Random, by: Callable[[Any], Any]) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < 0.2:
        return by(value)
    changed = copy.copy(value)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, how = rng.choice(keys), rng.random()
    if how < 0.1:
        del changed[key]
    elif how < 0.2 and isinstance(changed, list):
        changed += [value[key]] * rng.choice((1, 20))
    elif how < 0.2:
        changed[rng.choice(["", "own", "x", "\x1b"])] = value[key]
    else:
        changed[key] = _replaced(value[key], rng, by)
    return changed
