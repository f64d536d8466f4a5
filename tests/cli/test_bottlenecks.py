"""The command `carlib bottlenecks`, on this machine and on a cluster."""

import json

from distributed import LocalCluster

from tests.cli.typed import failure, run

OPTIONS = ("--arch", "EfficientNetLite0", "--workspace", "w")


def test_it_computes_once_and_says_what_is_there(home, sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = json.loads(run("bottlenecks", sample, *OPTIONS, "--json").stdout)
    assert (first["photos"], first["cached"], first["computed"]) == (200, 0, 200)
    again = run("bottlenecks", sample, *OPTIONS)
    said = "200 of 200 photos have their features of EfficientNetLite0 in w, after "
    assert said in again.stdout
    assert "200 photos: 200 cached, 0 computed" in again.stdout


def test_a_schedulers_workers_compute_for_it(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalCluster(1, threads_per_worker=1, dashboard_address=":0") as local:
        options = ("--scheduler", local.scheduler_address, "--json")
        result = run("bottlenecks", sample, *OPTIONS, *options)
    figures = json.loads(result.stdout)
    assert (figures["computed"], figures["skipped"]) == (200, [])


def test_an_address_where_nobody_answers_is_an_error_in_words(
    sample, tmp_path, monkeypatch
):
    monkeypatch.setattr("carlib.cli.bottlenecks.ANSWER", 1)
    options = ("--workspace", tmp_path / "w", "--arch", "EfficientNetLite0")
    there = ("--scheduler", "tcp://127.0.0.1:1")
    said = failure("bottlenecks", sample, *options, *there)
    assert "No Dask scheduler answers at tcp://127.0.0.1:1" in said
    assert "Start one by `dask scheduler`" in said
