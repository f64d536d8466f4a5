"""ONNX Runtime for browsers, as it travels with carlib: one script, one WebAssembly.

From the npm package onnxruntime-web, 1.30.0, MIT, Copyright Microsoft Corporation:
`runtime/ort.mjs` is its dist/ort.wasm.bundle.min.mjs, `runtime/ort.wasm.gz` its
dist/ort-wasm-simd-threaded.wasm, packed (3.7 MB; 14.2 MB unpacked).
"""

import gzip
import hashlib
import re
from pathlib import Path

from carlib.errors import ExportError

FOLDER = Path(__file__).with_name("runtime")
LICENSE, SCRIPT, WASM = "LICENSE", "ort.mjs", "ort.wasm"
SHA256 = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_EXPORTS = re.compile(r"export\{([^}]*)\};")


def script() -> bytes:
    """Return the script, an ES module.

    Raises:
        ExportError: It isn't what was packed with carlib.
    """
    return _checked(SCRIPT, (FOLDER / SCRIPT).read_bytes())


def wasm() -> bytes:
    """Return the WebAssembly, unpacked.

    Raises:
        ExportError: It isn't what was packed with carlib.
    """
    return _checked(WASM, gzip.decompress(_packed()))


def packed_wasm() -> bytes:
    """Return the WebAssembly as gzip packed it.

    Raises:
        ExportError: It isn't what was packed with carlib.
    """
    wasm()
    return _packed()


def _packed() -> bytes:
    return (FOLDER / f"{WASM}.gz").read_bytes()


def inline_script() -> str:
    """Return the script for a page that can't import: it makes a global name, `ort`."""

    def as_global(found: re.Match[str]) -> str:
        pairs = (pair.split(" as ") for pair in found[1].split(","))
        return f"globalThis.ort={{{','.join(f'{name}:{own}' for own, name in pairs)}}};"

    return _EXPORTS.sub(as_global, script().decode("utf-8"))


def _checked(name: str, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise ExportError(
            f"{name} of ONNX Runtime is damaged.", hint="Install carlib again."
        )
    return data
