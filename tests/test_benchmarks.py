"""The benchmarks' helpers hold what they say, and the scripts run and tell all."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carlib.data import images

WAYS = ("label_next", "random", "least margin")
BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def copies(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import copies

    return copies


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import text_tables as tables

    return tables


@pytest.fixture
def jpegs(photos) -> list[bytes]:
    return [Path(path).read_bytes() for path in photos.image_path[:2]]


def test_copies_of_a_photo_differ_in_their_bytes_alone(copies, jpegs, tmp_path):
    copies.write_copies(jpegs, tmp_path / "a", 5)
    copies.write_copies(jpegs, tmp_path / "b", 4, first=5)
    paths = sorted(tmp_path.glob("*/*.jpg"))
    assert len({hashlib.sha256(p.read_bytes()).digest() for p in paths}) == 9
    for number, path in enumerate(paths):
        shown = images.decode(path.read_bytes())
        np.testing.assert_array_equal(shown, images.decode(jpegs[number % 2]))


def test_tiny_photos_are_all_of_another_picture(copies, tmp_path):
    copies.write_tiny(tmp_path / "tiny", 30)
    pictures = [images.decode(p.read_bytes()) for p in (tmp_path / "tiny").iterdir()]
    assert {picture.shape for picture in pictures} == {(32, 32, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 30


def test_large_photos_have_12_megapixels(copies, jpegs, tmp_path):
    copies.write_large(jpegs, tmp_path / "large", 1)
    (path,) = (tmp_path / "large").iterdir()
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (4000, 3000))


def test_a_photo_becomes_an_upright_jpeg_unless_it_is_one(copies, jpegs, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, options in (("a.png", {}), ("b.jpg", {"exif": turned})):
        Image.new("RGB", (40, 20), "red").save(tmp_path / name, **options)
        data = (tmp_path / name).read_bytes()
        made = copies.as_jpeg(data)
        assert made != data and made.startswith(b"\xff\xd8\xff")
        assert images.decode(made).shape == images.decode(data).shape
    assert copies.as_jpeg(jpegs[0]) == jpegs[0]


def test_a_table_is_aligned_with_numbers_to_the_right(tables):
    text = tables.table(["way", "images/s"], [["carlib", "37.0"], ["other", "1,016.9"]])
    assert text.splitlines() == [
        "| way    | images/s |",
        "| ------ | -------: |",
        "| carlib |     37.0 |",
        "| other  |  1,016.9 |",
    ]


def test_the_ratio_compares_within_each_round(tables):
    found = {"carlib": {"speeds": [10, 30, 20]}, "notebook": {"speeds": [5, 10, 20]}}
    assert tables.ratio(found, "notebook") == 2


def test_differences_are_relative_and_by_photo(tables):
    reference = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]])
    off = tables.differences(np.array([[3.0, 4.0], [0.0, 3.0], [0.9, 0.0]]), reference)
    assert off == pytest.approx({"largest": 0.5, "median": 0.1, "cosine": 1.0})


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=500)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_benchmark_tells_each_ways_speed_start_and_features(sample, tmp_path):
    files = ("--json", tmp_path / "found.json", "--figure", tmp_path / "figure.png")
    few = ("--arch", "MobileNetV2-0.35", "--rounds", 1, "--photos", 40, "--no-large")
    ways = ("--ways", "carlib", "--ways", "notebook", "--precision", "float32")
    said = run("bottlenecks.py", "--data", sample, *few, *ways, *files)
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    own = found["archs"]["MobileNetV2-0.35"]["ways"]
    assert list(own) == ["carlib", "notebook", "again"]
    for way in ("carlib", "notebook"):
        assert len(own[way]["speeds"]) == 1 and own[way]["speeds"][0] > 0
        assert own[way]["first_features"][0] > 0
    assert own["again"]["first_features"][0] > 0
    assert own["carlib"]["largest"] < 1e-4
    assert 0 < own["notebook"]["largest"] < 0.5
    assert "| carlib, network kept" in said and " × |" in said
    assert {p.name for p in tmp_path.iterdir()} == {"found.json", "figure.png"}


@pytest.mark.slow
def test_the_scale_benchmark_counts_what_calls_compute(tmp_path):
    few = ("--counts", 40, "--counts", 90, "--added", 5, "--rounds", 1)
    said = run("scale.py", "--part", "seconds", *few, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))["seconds"]
    calls = [*found["cold"]["40"], *found["cold"]["90"], *found["warm"]]
    calls += found["added"]
    assert [call["computed"] for call in calls] == [40, 90, 0, 5]
    assert all(call["seconds"] > 0 and call["peak_mb"] > 20 for call in calls)
    assert not any(call["tensorflow"] for call in calls)
    assert "A photo costs " in said and "| cold, 90 photos " in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="It limits memory as Linux does.")
def test_the_benchmark_of_what_is_larger_than_memory_trains_on_all_and_on_a_part(
    tmp_path,
):
    few = ("--rows", 20_000, "--judged", 2_000, "--few", 2_000, "--hashes", 80_000)
    few += ("--part", "head", "--part", "hashes")
    said = run("out_of_memory.py", *few, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    whole, part = found["head"]["mapped"], found["head"]["in memory"]
    assert (whole["rows"], part["rows"]) == (20_000, 2_000)
    assert whole["converged"] and whole["macro"][0] > part["macro"][0] > 0.6
    for own in (whole, part, *found["hashes"]):
        assert 20e6 < own["peak"] < 4e9
    assert [own["kind"] for own in found["hashes"]] == ["spread", "hostile"]
    assert all(own["sure"] == 1 and own["likely"] > 0.9 for own in found["hashes"])
    assert "| temperature " in said and "| 80,000 | " in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="It limits memory as Linux does.")
def test_the_benchmark_of_a_large_audit_tells_what_is_found(tmp_path):
    few = ("--part", "audit", "--rows", 60_000, "--compared", 8_000)
    said = run("out_of_memory.py", *few, "--json", tmp_path / "found.json")
    whole, part = json.loads((tmp_path / "found.json").read_text("utf-8"))[
        "audit"
    ].values()
    assert (whole["rows"], part["rows"]) == (60_000, 8_000)
    for own in (whole, part):
        assert own["copies"] > 0.9 and own["odd"] > 0.9 and own["wrong"] > 0.5
        assert 20e6 < own["peak"] < 4e9
    assert "| of planted near copies found " in said


@pytest.mark.slow
def test_the_benchmark_of_photos_elsewhere_tells_each_way_s_speed(sample, tmp_path):
    few = ("--photos", 60, "--far", 20, "--delay", 0.01, "--rounds", 1)
    said = run("elsewhere.py", *few, "--data", sample, "--json", tmp_path / "f.json")
    found = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert [way["photos"] for way in found["ways"].values()] == [60, 60, 20]
    assert found["table"]["members"] == 120
    assert "| a server, 10 ms a photo |" in said


@pytest.mark.slow
def test_the_serving_benchmark_times_each_way_and_counts_files(
    trained, sample, tmp_path
):
    model = trained.save(tmp_path / "m.zip")
    few = ("--rows", 1200, "--calls", 3, "--growth", 10, "--data", sample)
    said = run("serving.py", model, *few, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [len(seconds) for seconds in found["seconds"].values()] == [3] * 6
    assert all(min(seconds) > 0 for seconds in found["seconds"].values())
    assert [line.split()[0] for line in found["growth"]] == ["2", "4", "6", "8", "10"]
    assert "| cached, one of 1,200 photos |" in said


@pytest.mark.slow
def test_the_replays_tell_how_often_the_truth_was_in_the_band(sample, tmp_path):
    files = ("--workspace", tmp_path / "ws", "--json", tmp_path / "found.json")
    few = ("--data", sample, "--replays", 1, "--seeds", 1)
    said = run("learning_curve.py", *few, *files)
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [row["class"] for row in found["replays"]] == [None, 0, 1]
    assert all(0 <= row["low"] <= row["high"] <= 1 for row in found["replays"])
    assert {row["way"] for row in found["rounds"]} == set(WAYS)
    assert "| all classes |" in said and "| label_next | random |" in said


@pytest.mark.slow
def test_the_benchmark_of_the_csv_tells_its_speed_and_memory(sample, tmp_path):
    few = ("--data", sample, "--photos", 60, "--rounds", 1)
    said = run("answers.py", *few, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert list(found["seconds"]) == ["engine", "predict", "csv", "start"]
    assert all(times[0] > 0 for times in found["seconds"].values())
    assert list(found["peak_mb"]) == ["12", "60"]
    assert "| csv " in said and "Peak memory: " in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the memory")
def test_the_caches_calls_are_told_with_their_memory_and_operations(tmp_path):
    few = ("--entries", 2_000, "--per-shard", 100, "--photos", 30, "--features", 2)
    said = run("cache_size.py", *few, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    calls = {each["call"]: each for each in found["calls"]}
    assert calls["verify"]["found"] == calls["cache_info"]["found"] == 2_010
    assert calls["warm, all photos"]["found"] == 30
    assert calls["ten photos added"]["found"] == 0
    opened = calls["open the shards"]["operations"]["open"]
    assert calls["open the shards"]["found"] == opened == found["shards"]
    assert calls["open the shards, compacted"]["operations"]["open"] == 1
    assert all(e["seconds"] > 0 and e["peak_mb"] > 20 for e in calls.values())
    assert all(f"| {name} " in said for name in calls)


@pytest.mark.slow
def test_a_clusters_overhead_is_told_beside_one_process(sample, tmp_path):
    few = ("--counts", 70, "--counts", 100, "--counts", 130, "--rounds", 1)
    said = run("cluster.py", *few, "--data", sample, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [list(way) for way in found["ways"].values()] == [["70", "100", "130"]] * 6
    assert "| workers of a thread, quiet " in said and "off at 100" in said
    idle = found["idle"]["workers of a thread"]
    assert max(found["idle"]["one process"]) == 0 < min(idle) and max(idle) < 1


@pytest.mark.slow
def test_more_threads_read_more_photos_a_second(sample, tmp_path):
    few = ("--threads", 1, "--threads", 4, "--photos", 200, "--rounds", 1)
    run("cores.py", *few, "--data", sample, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["simulated"]["4"][0] > 2 * found["simulated"]["1"][0]
    assert found["most"][0] > found["simulated"]["4"][0]


@pytest.mark.slow
def test_the_benchmark_for_a_gpu_runs_on_a_cpu_when_asked_to(sample, tmp_path):
    few = ("--device", "cpu", "--photos", 24, "--rounds", 1, "--arch", "MobileNetV2")
    ways = ("--ways", "carlib", "--ways", "engine", "--data", sample)
    said = run("gpu.py", *few, *ways, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    speeds = {
        way: rounds[0]["speed"] for way, rounds in found["archs"].popitem()[1].items()
    }
    assert set(speeds) == {"carlib", "engine"} and min(speeds.values()) > 0
    assert "| carlib, files to features " in said
