"""Digests of photos: enough to tell one, too little to tell anything else."""

import dataclasses
import hashlib

import pytest

from carlib.model import digests
from carlib.model.digests import are_digests, digests_of, pairs_of
from carlib.model.evidence import weights_of, with_evidence

KEYS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(4)]


def test_photos_come_back_as_pairs_whatever_their_order():
    labels = ["dent", "lamp", "dent", "dent"]
    found = digests_of(KEYS, labels)
    assert list(found) == ["dent", "lamp"] and len(found["dent"]) == 36
    assert digests_of(KEYS[::-1], labels[::-1]) == found
    pairs = {(key[:12], label) for key, label in zip(KEYS, labels, strict=True)}
    assert set(pairs_of(found)) == pairs and len(pairs_of(found)) == 4
    assert are_digests(found) and are_digests({})


def test_of_too_many_nothing_is_said(monkeypatch):
    monkeypatch.setattr(digests, "MOST", 3)
    assert digests_of(KEYS, "abcd") == {}
    assert digests_of(KEYS[:3], "abc") != {}


@pytest.mark.parametrize(
    "value", [None, [], {"a": 1}, {"a": ""}, {"a": "0123"}, {"a": "x" * 12}]
)
def test_what_are_no_digests_are_told(value):
    assert not are_digests(value)


def test_photos_that_are_gone_are_no_reason_not_to_save(
    trained, photos, tmp_path, capsys
):
    from carlib.evaluation.evaluate import evaluate

    validation = photos[photos.subset == "V"]
    metrics = evaluate(trained.predict(validation, progress=False))
    gone = metrics.photos.assign(image_path=str(tmp_path / "gone.jpg"))
    metrics = dataclasses.replace(metrics, photos=gone)
    kept = with_evidence(metrics, trained.backbones, trained.head)
    assert kept["evidence"]["photos"] == {} and kept["n"] == 40
    assert "without the photos that they are of" in capsys.readouterr().out


def test_each_part_has_a_sum_of_its_own(trained):
    found = weights_of(trained.backbones, trained.head)
    assert list(found) == ["EfficientNetLite0", "the head"]
    assert len(set(found.values())) == 2
    assert with_evidence({"a": 1}, (), trained.head) == {"a": 1}
