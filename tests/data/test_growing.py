"""A CSV that grows: its rows stay, a torn end goes, others' files are left alone."""

import subprocess
import sys

import pandas as pd
import pytest

import carlib
from carlib import files
from carlib.data.growing import GrowingCsv
from carlib.errors import DataError, OutputError

COLUMNS = ["image_path", "model_id", "error", "score", "a"]
NAMES = [
    "plain.jpg",
    "=1+1.jpg",
    'quo"ted.jpg',
    "two\nlines.jpg",
    "comma,.jpg",
    "é.jpg",
]


def opened(path, model_id="m1"):
    return GrowingCsv(path, COLUMNS, "image_path", {"model_id": model_id})


def rows(names):
    return pd.DataFrame({"image_path": names, "error": "", "score": 0.5, "a": 0.5})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "out.csv"
    opened(path).append(rows(NAMES))
    return path


def test_rows_come_back_as_they_were_and_are_known_when_opened_again(path):
    table = carlib.read_csv(path)
    assert table["image_path"].tolist() == NAMES
    assert set(table["model_id"]) == {"m1"} and list(table) == COLUMNS
    again = opened(path)
    assert again.kept == set(NAMES)
    again.append(rows(["more.jpg"]))
    assert carlib.read_csv(path)["image_path"].tolist() == [*NAMES, "more.jpg"]


def test_wherever_a_kill_cut_it_off_the_whole_rows_stay_and_the_rest_comes_again(path):
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    for size in range(header, len(whole)):
        path.write_bytes(whole[:size])
        table = opened(path)
        left = [name for name in NAMES if name not in table.kept]
        assert left == NAMES[len(table.kept) :] and left
        table.append(rows(left))
        assert path.read_bytes() == whole, size


def test_a_file_that_is_empty_is_as_good_as_none(tmp_path):
    path = tmp_path / "out.csv"
    path.touch()
    opened(path).append(rows(["a.jpg"]))
    assert carlib.read_csv(path)["image_path"].tolist() == ["a.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "image_path,score\na.jpg,0.5\n",
        "my thesis, which has no line end",
        "image_path,model_id,error,score,a\na.jpg,m1,0.5\n",
        "image_path,model_id,error,score,a\na.jpg,m2,,0.5,0.5\n",
        'image_path,model_id,error,score,a\n"a"b,m1,,0.5,0.5\n',
    ],
)
def test_another_table_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "out.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DataError, match=r"out\.csv"):
        opened(path)
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("text", [b"x" * 3_000_000, b'"\n' + b"a,b\n" * 3_000_000])
def test_a_large_file_of_something_else_is_refused_before_its_end(tmp_path, text):
    path = tmp_path / "out.csv"
    header = ",".join(COLUMNS).encode() + b"\n"
    path.write_bytes(header + text)
    with pytest.raises(DataError, match="a row of more than 1 MiB"):
        opened(path)
    assert path.read_bytes() == header + text


def test_another_models_answers_are_told_by_name(path):
    with pytest.raises(DataError, match="model_id 'm2'. Received: model_id 'm1'"):
        opened(path, "m2")


def test_two_programs_at_once_are_noticed_before_anything_is_mixed(path):
    one, other = opened(path), opened(path)
    one.append(rows(["one.jpg"]))
    with pytest.raises(OutputError, match="was changed while"):
        other.append(rows(["other.jpg"]))
    assert carlib.read_csv(path)["image_path"].tolist() == [*NAMES, "one.jpg"]


def test_a_block_that_finds_no_room_leaves_no_half_row(path, monkeypatch):
    before, table = path.read_bytes(), opened(path)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OutputError, match="No space left"):
        table.append(rows(["more.jpg"]))
    assert path.read_bytes() == before


def test_a_device_is_no_table(tmp_path):
    with pytest.raises((DataError, OutputError)):
        opened(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev there")
def test_it_is_read_without_taking_memory_for_its_size(tmp_path):
    path = tmp_path / "out.csv"
    code = (
        "import sys, resource\n"
        "from carlib.data.growing import GrowingCsv\n"
        "import pandas as pd\n"
        f"columns = {COLUMNS}\n"
        "def opened():\n"
        "    return GrowingCsv(sys.argv[1], columns, 'image_path', {'model_id': 'm'})\n"
        "table = opened()\n"
        "for block in range(20):\n"
        "    names = [f'{block}-{n}.jpg' for n in range(1000)]\n"
        "    table.append(pd.DataFrame({'image_path': names, 'error': 'x' * 1000,"
        " 'score': 0.5, 'a': 1.0}))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "assert len(opened().kept) == 20_000\n"
        "print((peak() - before) / 1024)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert path.stat().st_size > 20e6 and float(run.stdout) < 10
