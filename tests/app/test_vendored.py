"""ONNX Runtime as it travels with carlib."""

import pytest

from carlib.app import vendored
from carlib.errors import ExportError


def test_it_is_what_was_packed_and_its_licence_is_beside_it():
    assert vendored.wasm().startswith(b"\0asm")
    assert vendored.script().endswith(b"ort.wasm.bundle.min.mjs.map\n")
    assert "Microsoft" in (vendored.FOLDER / vendored.LICENSE).read_text("utf-8")


def test_what_was_changed_is_not_used(monkeypatch, tmp_path):
    (tmp_path / vendored.SCRIPT).write_bytes(vendored.script() + b"\n")
    monkeypatch.setattr(vendored, "FOLDER", tmp_path)
    with pytest.raises(ExportError, match="damaged"):
        vendored.script()


def test_inline_it_makes_one_name():
    script = vendored.inline_script()
    assert "export{" not in script and "</script" not in script
    assert "globalThis.ort={InferenceSession:" in script
