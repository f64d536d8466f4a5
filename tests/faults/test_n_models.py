"""N: models of a stranger, and names that nobody expects: refused, or shown as text."""

import dataclasses
import io
import json
import socket
import tracemalloc
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import carlib
from carlib.backbones import kept, precisions
from carlib.data.table import load_index
from carlib.errors import ArchiveError, DataError, OptionError
from carlib.evaluation.evaluate import evaluate
from carlib.exports.export import export
from carlib.exports.formats import FORMATS, Format
from carlib.files import write_zip
from carlib.model.model import load_model
from tests.cli.typed import failure
from tests.data.written import HEADER, write
from tests.evaluation.predicted import predictions
from tests.faults.made import data_folder
from tests.faults.resaved import resaved
from tests.model.members import members

EIGHT = list("abcdefgh")


def refusal(path: Path, says: str = ".") -> str:
    """How a model is refused, in words that a terminal may print."""
    with pytest.raises(ArchiveError, match=says) as caught:
        load_model(path)
    said = str(caught.value)
    assert path.name in said and len(said) < 3_000
    assert said.replace("\n", "").isprintable()
    return said


def network(kind: str) -> tuple[bytes, bytes]:
    """A network of pixels to features, as OpenVINO has it, with something wrong."""
    import openvino
    from openvino import opset13 as ops

    if kind == "garbage":
        return b"<net name='x'>" * 50, bytes(50)
    width, value = (7 if kind == "width" else 1280), np.nan if kind == "nan" else 1
    pixels = ops.parameter([-1, 224, 224, 3], np.uint8, name="pixels")
    means = ops.reduce_mean(ops.convert(pixels, "f32"), ops.constant([1, 2]), False)
    kernel = ops.constant(np.full((3, width), value, np.float32))
    features = ops.matmul(means, kernel, False, False)
    if kind == "loop":
        features = endless(ops, openvino, features)
    return kept.network_of(openvino.Model([features], [pixels]))


def endless(ops, openvino, features):
    """The same, at the end of a loop that has none."""
    inner = ops.parameter([-1, 1280], np.float32)
    on, more = ops.constant(True), ops.add(inner, ops.constant(np.float32(1)))
    loop = ops.loop(ops.constant(np.int64(-1)), ops.constant(True))
    loop.set_function(openvino.Model([on, more], [inner]))
    loop.set_special_body_ports([-1, 0])
    loop.set_merged_input(inner, features.output(0), more.output(0))
    return loop.get_iter_value(more.output(0), -1)


@pytest.mark.skipif("int8" not in precisions.supported(), reason="no int8 here")
@pytest.mark.parametrize("kind", ["garbage", "width", "nan", "loop"])
def test_n07_an_int8_network_that_is_another_is_refused_at_load(
    trained, tmp_path, kind
):
    """An int8 network that loops, is damaged, NaN or of another width: refused."""
    xml, weights = network(kind)
    parts = {"int8.xml": xml, "int8.bin": weights}
    described = {"precision": "int8", "calibration": "0" * 64}
    path = resaved(trained, tmp_path / "m.zip", parts, described)
    refusal(path, "network")


def test_n08_a_manifest_nested_without_end_is_refused(trained, tmp_path):
    """A manifest nested 100,000 deep, or 50 with hashes that fit, is an error."""
    deep = json.loads("[" * 50 + "]" * 50)
    refusal(resaved(trained, tmp_path / "50.zip", options={"x": deep}), "nested")
    whole = members(trained.save(tmp_path / "m.zip"))
    text = b'{"format": "carlib model", "options": ' + b'{"x":' * 100_000
    write_zip(tmp_path / "m.zip", {**whole, "manifest.json": text})
    refusal(tmp_path / "m.zip", "nested too deep")


@pytest.mark.parametrize("kind", ["ragged", "empty", "column", "text", "dicts"])
def test_n09_a_history_that_is_none_is_refused(trained, tmp_path, kind):
    """A history that is ragged, empty, lacks a column or holds no numbers: refused."""
    history = trained.history.to_dict("list")
    rate = history.pop("learning_rate")
    odd = {
        "ragged": history | {"learning_rate": rate[:-1]},
        "empty": {},
        "column": history,
        "text": history | {"learning_rate": ["fast"] * len(rate)},
        "dicts": history | {"learning_rate": [{}] * len(rate)},
    }[kind]
    refusal(resaved(trained, tmp_path / "m.zip", history=odd), "history")


@pytest.mark.parametrize("kind", [str(2**44), str(2**33), "((((", "----1", "zip"])
def test_n10_an_array_that_is_none_is_refused_by_its_name(trained, tmp_path, kind):
    """An array whose header asks for terabytes, or is no header: refused, unread."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({kind},), }}"
    header = (text if kind.isdigit() else kind).encode().ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + bytes(80)
    if kind == "zip":
        file = io.BytesIO()
        np.savez(file, mean=np.zeros(1280, np.float32))
        data = file.getvalue()
    path = resaved(trained, tmp_path / "m.zip", {"mean.npy": data})
    refusal(path, r"mean\.npy.*not an array")


@pytest.mark.parametrize(
    "sign", ["\x1b[2J", "\x1b]0;x\x07", "\r", "\n", "\0", "\x9b", "\u202e"], ids=ascii
)
def test_n11_signs_that_steer_a_terminal_are_in_no_class(trained, tmp_path, sign):
    """A class with control characters is refused, in an index and in a model."""
    names = [*EIGHT[:7], f"dent{sign}ed"]
    refusal(resaved(trained, tmp_path / "m.zip", class_names=names), "class_names")
    index = f'{HEADER}image/1.jpeg,"dent{sign}ed",T\nimage/2.jpeg,lamp,V\n'
    with pytest.raises(DataError, match="line 2") as caught:
        load_index(write(data_folder(tmp_path / "data"), index))
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["score", "error", "image_path", "predicted_label"])
def test_n12_a_class_is_never_called_like_a_column(trained, few, trainer, name):
    """A class called score, error or such is refused, in training and in a model."""
    wrong = few.assign(damage_class=few.damage_class.replace("door_dent", name))
    with pytest.raises(DataError, match=f"no class may be called {name}"):
        trainer(workspace_path=None).fit(wrong)
    renamed = dataclasses.replace(trained, class_names=(*EIGHT[:7], name))
    with pytest.raises(OptionError, match=f"no class may be called {name}"):
        renamed.save("m.zip")


def test_n13_a_class_that_is_no_text_is_refused_before_all_else(
    trained, few, trainer, tmp_path
):
    """A class that is no UTF-8 is refused at once, and not first by an export."""
    wrong = few.assign(damage_class=few.damage_class.replace("unknown", "t\udcfcr"))
    with pytest.raises(DataError, match="not UTF-8"):
        trainer(workspace_path=tmp_path / "w").fit(wrong)
    assert not (tmp_path / "w").exists()
    names = [*EIGHT[:7], "t\udcfcr"]
    refusal(resaved(trained, tmp_path / "m.zip", class_names=names), "not UTF-8")


def test_n14_a_class_called_like_a_path_leads_nowhere(
    trained, few, tmp_path, monkeypatch
):
    """A class called ../../x, /etc/x or C:\\x is a text, and no file has its name."""
    quick = Format("x.pb", lambda source, path: path.write_bytes(b""))
    monkeypatch.setitem(FORMATS, "pb", quick)
    names = ["../../x", "/etc/x", r"C:\x", "..", "~/x", "\\\\host\\x", "nul", "a/b"]
    model = load_model(resaved(trained, tmp_path / "m.zip", class_names=names))
    export(model, tmp_path / "a" / "b" / "out", ["pb"], photos=few.image_path[:1])
    model.save(tmp_path / "again.zip")
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    beside = {"labels.txt", "manifest.json", "README.md"}
    assert files == {"m.zip", "again.zip", "x.pb", *beside}
    assert load_model(tmp_path / "again.zip").class_names == tuple(names)


def test_n20_a_models_network_is_never_looked_for_elsewhere(
    trained, tmp_path, monkeypatch
):
    """A model whose network is "auto" is refused, with nothing asked of a server."""
    path = resaved(trained, tmp_path / "m.zip", backbone={"arch": "auto"})
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it asked"))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it asked"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    refusal(path, "arch of backbone 1")


def test_n21_what_a_newer_model_says_of_itself_steers_no_terminal(trained, tmp_path):
    """A version with escapes in it, in a newer model, is shown but never obeyed."""
    versions = {"carlib": "9\x1b]0;evil\x07\n\x9b2J"}
    path = resaved(trained, tmp_path / "m.zip", format_version=99, versions=versions)
    said = failure("evaluate", path, "sample")
    assert said.replace("\n", "").isprintable() and "newer carlib" in said


@pytest.mark.parametrize(
    ("fields", "described"),
    [
        *(({"best_epoch": epoch}, {}) for epoch in (10**400, -7, "3", 1.5)),
        *(({"notes": notes}, {}) for notes in ([{}], "text", [["a"]])),
        ({}, {"precision": "auto"}),
    ],
    ids=range(8),
)
def test_n22_a_field_that_no_training_gives_is_refused(
    trained, tmp_path, fields, described
):
    """An epoch of 400 digits or below 0, and notes that are no texts, are refused."""
    path = resaved(trained, tmp_path / "m.zip", backbone=described, **fields)
    assert len(refusal(path)) < 500


def test_n23_a_small_file_asks_for_no_more_memory_than_a_model_needs(trained, tmp_path):
    """Parts larger than the network needs are refused unread, however well packed."""
    whole = members(trained.save(tmp_path / "m.zip"))
    for name, size in (("backbone.npy", 64), ("kernel.npy", 15), ("manifest.json", 9)):
        packed = whole | {name: bytes(size << 20)}
        with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for each, data in packed.items():
                archive.writestr(each, data, compresslevel=1)
        tracemalloc.start()
        try:
            refusal(tmp_path / "m.zip", "more than|at most|unpacks")
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", ["BIAS.npy", "../bias.npy", "x/bias.npy", "setup.py"])
def test_n24_members_that_are_none_of_a_models_are_named(trained, tmp_path, name):
    """Members that differ by case only, climb out, or are no model's are named."""
    whole = members(trained.save(tmp_path / "m.zip"))
    write_zip(tmp_path / "m.zip", {**whole, name: b"x"})
    assert name in refusal(tmp_path / "m.zip")


def test_n25_a_script_in_front_of_a_model_is_passed_over(trained, tmp_path):
    """A file that is a script and a model at once is loaded, and no script is run."""
    path = trained.save(tmp_path / "m.zip")
    script = f"#!/bin/sh\ntouch {tmp_path / 'canary'}\nexit\n".encode()
    path.write_bytes(script + path.read_bytes())
    path.chmod(0o755)
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded.head.kernel, trained.head.kernel)
    assert [each.name for each in tmp_path.iterdir()] == ["m.zip"]


# --- names ---------------------------------------------------------------------------


def pictures(tmp_path: Path, names: list[str]) -> list:
    """The figures of photos whose classes have these names."""
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    first = {"image_path": str(tmp_path / "a.png"), "subset": "T"}
    table = predictions(names, np.eye(len(names)), names).assign(**first)
    wrong = table.assign(predicted_label=names[::-1])
    return [
        carlib.show_photos(table, per_class=1),
        carlib.show_mistakes(wrong),
        carlib.plot_class_balance(table).figure,
        carlib.plot_confusion(evaluate(table.drop(columns="subset"))).figure,
    ]


def drawn(figures: list) -> str:
    """What stands in figures, which can be saved without a warning."""
    files = []
    for figure in figures:
        with io.StringIO() as file, plt.rc_context({"svg.fonttype": "none"}):
            figure.savefig(file, format="svg")
            files.append(file.getvalue())
        plt.close(figure)
    return "\n".join(files)


def test_n15_names_with_markup_in_them_are_text_on_every_page(
    tmp_path, root, monkeypatch
):
    """Names of classes and files that are HTML are text in tables and pictures."""
    monkeypatch.syspath_prepend(str(root / "notebooks"))
    from runner import page

    evil = "<script>alert(1)</script>"
    names = [evil, "dent", "<img src=x onerror=alert(1)>"]
    table = predictions(names, np.eye(3), names, image_path=f"{evil}.jpg")
    html = evaluate(table)._repr_html_() + pd.DataFrame(table)._repr_html_()
    output = new_output("stream", name="stdout", text=evil)
    cell = new_code_cell("1", outputs=[output], execution_count=1)
    shown = page.html(
        nbformat.from_dict(new_notebook(cells=[new_markdown_cell("#"), cell]))
    )
    for text in (html, shown, drawn(pictures(tmp_path, names))):
        assert evil not in text and "<img src=x" not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("name", ["車の窓", "\U0001f697", "车窗", "창문", "ضرر"])
def test_n59_names_in_any_script_are_drawn_without_a_warning(tmp_path, name, caplog):
    """Classes in Japanese, Chinese or emoji are drawn, and nothing is said of it."""
    drawn(pictures(tmp_path, ["dent", name]))
    assert caplog.records == []


@pytest.mark.parametrize("name", ["$500 - $1000", "$a_$b$", r"$\frac{$", "$$"])
def test_n60_a_dollar_in_a_name_is_a_dollar(tmp_path, name):
    """A class with two dollar signs is drawn as it is written, and is no formula."""
    assert name in drawn(pictures(tmp_path, ["dent", name]))


def test_n66_a_thousand_classes_print_and_draw_within_bounds():
    """Figures of 1,000 classes are printed in a few lines, and drawn on one page."""
    names = [f"class {number}" for number in range(1_000)]
    found = evaluate(predictions(names, np.eye(1_000)[::-1], names))
    assert len(str(found)) < 10_000
    figure = carlib.plot_confusion(found).figure
    assert max(figure.get_size_inches()) < 30
    plt.close(figure)
