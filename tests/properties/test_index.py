"""Any table written as an index is read back, or refused by name and line."""

import csv
import io
import re
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carlib.data.table import load_index
from carlib.errors import DataError

FEW = settings(max_examples=120, deadline=None, derandomize=True)
PHOTOS = [f"image/{number}.jpeg" for number in range(6)]
WORDS = st.sampled_from(
    ["a", " a ", "é", "e\u0301", "\u200b", "", "score", "NA", "001"]
)
LABELS = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
SUBSETS = st.sampled_from(["T", "V", "train", " val ", "t", "test", "", "X"])
IMAGES = st.sampled_from([*PHOTOS, "image\\1.jpeg", "IMAGE/1.jpeg", "image", "no"])
ROWS = st.lists(st.tuples(IMAGES | LABELS, LABELS, SUBSETS), max_size=6)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "image").mkdir()
        for photo in PHOTOS:
            (Path(name) / photo).write_bytes(photo.encode())
        yield Path(name)


def table(rows, header=("image", "class", "subset"), **dialect) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **dialect).writerows([header, *rows])
    return buffer.getvalue()


def loaded(folder: Path, data: bytes) -> list[tuple[str, str, str]] | DataError:
    (folder / "index.csv").write_bytes(data)
    try:
        photos = load_index(folder)
    except DataError as error:
        return error
    inside = [Path(path).relative_to(folder).as_posix() for path in photos.image_path]
    return list(zip(inside, photos.damage_class, photos.subset, strict=True))


@FEW
@given(ROWS, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\ufeff"]))
def test_a_table_is_read_back_or_refused_with_a_line(folder, rows, end, mark):
    found = loaded(folder, (mark + table(rows, lineterminator=end)).encode())
    if isinstance(found, DataError):
        of_no_line = all(row[2].strip() == "test" or not any(row) for row in rows)
        assert re.search(r"\bline \d", str(found)) or of_no_line
        return
    assert {image for image, _, _ in found} <= set(PHOTOS)
    assert {subset for _, _, subset in found} <= {"T", "V"}


@FEW
@given(st.lists(LABELS, min_size=1, max_size=6))
@example(["e\u0301 ", "é", "\u00a0001", "NA"])
def test_labels_come_back_stripped_and_in_one_unicode_form(folder, labels):
    rows = [(photo, label, "T") for photo, label in zip(PHOTOS, labels, strict=False)]
    found = loaded(folder, table(rows).encode())
    if isinstance(found, DataError):
        assert re.search(r"\bline \d", str(found))
        return
    written = [unicodedata.normalize("NFC", label).strip() for label in labels]
    assert [label for _, label, _ in found] == written
    assert all(written)


@FEW
@given(
    st.lists(st.from_regex(r"[a-z]{3}", fullmatch=True), min_size=6, max_size=6),
    st.lists(st.sampled_from("TV"), min_size=6, max_size=6),
    st.permutations(["image", "class", "subset", "note"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_table_without_faults_is_read_as_it_was_meant(
    folder, labels, subsets, header, quoting
):
    labels = [f"class_{label}" for label in labels]
    columns = {"image": PHOTOS, "class": labels, "subset": subsets, "note": labels}
    rows = list(zip(*(columns[name] for name in header), strict=True))
    text = table(rows, header, quoting=quoting)
    expected = list(zip(PHOTOS, labels, subsets, strict=True))
    assert loaded(folder, text.encode()) == expected


@FEW
@given(st.binary(max_size=60), st.integers(0, 60))
def test_bytes_that_are_no_table_are_refused_and_nothing_else(folder, data, at):
    whole = table([(PHOTOS[0], "a", "T"), (PHOTOS[1], "b", "V")]).encode()
    for changed in (data, whole[:at] + data + whole[at:], whole[:at] + data):
        found = loaded(folder, changed)
        assert isinstance(found, DataError) or len(found) <= len(PHOTOS)
