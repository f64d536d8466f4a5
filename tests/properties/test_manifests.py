"""A model whose manifest was changed at one place is refused, or says what it said."""

import contextlib
import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.errors import ArchiveError
from carlib.model.model import load_model
from tests.properties.written import (
    FIELDS,
    HEAD,
    MEMBERS,
    model,
    npy,
    own_backbone,
    sealed,
    zipped,
)

FEW = settings(max_examples=150, deadline=None, derandomize=True)
TEXTS = st.sampled_from(["", "a", "auto", "int8", "flip", "\x1b[2J", "\ud800", "score"])
LEAVES = TEXTS | st.sampled_from(
    [None, True, False, 0, -1, 2, 10**400, 0.5, math.nan, math.inf, "EfficientNetLite0"]
)
VALUES = LEAVES | st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner)
)
DEEP = "[" * 100_000 + "]" * 100_000


def places(value, path=()):
    """Every path into a JSON value, but to itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


PLACES = list(places(FIELDS))


def changed(path, value, gone=False):
    """The manifest with another value at one place, or without it."""
    fields = copy.deepcopy(FIELDS)
    holder = fields
    for key in path[:-1]:
        holder = holder[key]
    if gone:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return fields


def loaded(path, data: bytes):
    path.write_bytes(data)
    return load_model(path, backbones=[own_backbone()])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ImageModel.zip"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "ImageModel.zip"


def test_the_model_as_it_is_loads(path):
    found = loaded(path, model(FIELDS))
    assert list(found.class_names) == FIELDS["class_names"]
    assert found.options == FIELDS["options"]


@FEW
@given(st.sampled_from(PLACES), VALUES, st.booleans())
def test_one_changed_place_is_refused_or_loads_as_it_says(shared, place, value, gone):
    """The hashes are right: whoever changed it wants to be believed."""
    fields = changed(place, value, gone)
    try:
        found = loaded(shared, model(fields))
    except ArchiveError as error:
        assert str(error).isprintable() or "\n" in str(error)
        return
    assert list(found.class_names) == fields["class_names"]
    for name in ("options", "notes", "metrics", "data_hash", "best_epoch", "augment"):
        kept, said = getattr(found, name), fields.get(name)
        assert json.dumps(kept, sort_keys=True) == json.dumps(said, sort_keys=True)
    for name, column in found.history.items():
        assert len(column) == len(fields["history"][name])
    assert repr(found)


KINDS = [None, [], {}, "", 0, ["\ud800"], [{}], 10**400, {"a": 1}]


def test_no_place_can_be_missing(path):
    for place in PLACES:
        with contextlib.suppress(ArchiveError):
            loaded(path, model(changed(place, None, gone=True)))


@pytest.mark.parametrize("value", KINDS)
def test_no_place_can_hold_a_value_of_another_kind(path, value):
    for place in PLACES:
        with contextlib.suppress(ArchiveError):
            loaded(path, model(changed(place, value)))


@FEW
@given(st.sampled_from(PLACES), VALUES)
def test_a_manifest_without_its_new_hash_is_refused(shared, place, value):
    honest = sealed(FIELDS, MEMBERS)
    fields = changed(place, value) | {"sha256": honest["sha256"]}
    text = json.dumps(fields, sort_keys=True)
    if text == json.dumps(honest, sort_keys=True):
        return
    with pytest.raises(ArchiveError):
        loaded(shared, zipped({"manifest.json": text.encode(), **MEMBERS}))


@pytest.mark.parametrize("text", [DEEP, '{"format": ' + DEEP, "1" * 5_000, "NaN", ""])
def test_json_that_no_manifest_is_gets_one_error(path, text):
    with pytest.raises(ArchiveError):
        loaded(path, zipped({"manifest.json": text.encode(), **MEMBERS}))


@FEW
@given(st.sampled_from(sorted(HEAD)), st.data())
def test_an_array_with_one_changed_byte_is_refused_or_of_the_right_shape(
    shared, name, data
):
    whole = bytearray(npy(HEAD[name]))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        found = loaded(shared, model(FIELDS, MEMBERS | {f"{name}.npy": bytes(whole)}))
    except ArchiveError:
        return
    array = getattr(found.head, name)
    assert array.shape == HEAD[name].shape and array.dtype == "f4"


@FEW
@given(st.integers(0, len(model(FIELDS)) - 1), st.integers(1, 255))
def test_a_file_with_one_changed_byte_is_refused_or_loads_equal(shared, place, bits):
    whole = bytearray(model(FIELDS))
    whole[place] ^= bits
    try:
        found = loaded(shared, bytes(whole))
    except ArchiveError:
        return
    assert list(found.class_names) == FIELDS["class_names"]
    assert (found.head.kernel == HEAD["kernel"]).all()
