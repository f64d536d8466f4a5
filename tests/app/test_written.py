"""What a page is made of, and what can't be one."""

import json
import zipfile

import pandas as pd
import pytest

from carlib.app.html import write_html
from carlib.app.parts import MODEL, parts_of
from carlib.app.web import write_web
from carlib.errors import DataError, ExportError, OptionError, OutputError
from carlib.exports.export import export
from carlib.model.model import load_model


def test_its_model_is_the_models_own_file_and_no_weight_is_twice(model, web, tmp_path):
    saved = model.save(tmp_path / MODEL)
    assert (web / MODEL).read_bytes() == saved.read_bytes()
    assert (web / "backbone.onnx").stat().st_size < 100_000
    assert load_model(web / MODEL).class_names == model.class_names


def test_it_says_when_an_answer_is_sure(model, web):
    told = json.loads((web / "page.json").read_text("utf-8"))
    assert told["confidence"]["threshold"] == model.confidence.threshold
    assert told["confidence"]["farthest"] == model.confidence.farthest
    assert told["class_names"] == list(model.class_names)


def test_photos_themselves_do_not_travel(model, few, tmp_path):
    parts = parts_of(model, tmp_path / "page", few)
    told = json.loads(parts["page.json"])["taught"]
    assert told == {"labels": list(few.damage_class), "views": 2}
    assert len(parts["photos.f16"]) == 2 * 2 * len(few) * 1280
    assert few.image_path[0].encode() not in b"".join(parts.values())


def test_photos_of_other_classes_are_refused(model, few, tmp_path):
    other = few.assign(damage_class="meteorite")
    with pytest.raises(DataError, match="no classes of the model"):
        write_html(model, tmp_path / "m.html", pd.DataFrame(other))
    with pytest.raises(DataError, match="no classes of the model"):
        export(model, tmp_path / "e", ["openvino", "web"], train=pd.DataFrame(other))
    assert list(tmp_path.iterdir()) == []


def test_training_photos_are_refused_where_no_page_would_take_them(
    model, few, tmp_path
):
    with pytest.raises(OptionError, match="web or html among the formats.*openvino"):
        export(model, tmp_path / "e", ["openvino"], train=few)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_somebodys_own_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(type(model.backbones[0]), "is_own", True)
    with pytest.raises(ExportError, match="somebody's own"):
        write_web(model, tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(model, tmp_path):
    with pytest.raises(OutputError, match="can't be written"):
        write_html(model, tmp_path)


def test_both_are_formats_of_export(model, few, tmp_path):
    paths = export(model, tmp_path / "exported", ["web", "html"], train=few)
    taught = json.loads((paths["web"] / "page.json").read_text("utf-8"))["taught"]
    assert taught["labels"] == list(few.damage_class)
    assert b'data-part="photos.f16"' in paths["html"].read_bytes()
    assert paths["html"].read_bytes().startswith(b"<!doctype html>")
    with zipfile.ZipFile(paths["web"] / MODEL) as archive:
        assert "manifest.json" in archive.namelist()
