"""How many cores carlib uses: as told, as allowed, and no more."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from carlib import cores
from carlib.cores import limit_threads, threads_to_set, usable_cores
from carlib.errors import OptionError
from tests.tiny import draw_photos, paths


@pytest.fixture(autouse=True)
def unlimited(monkeypatch):
    monkeypatch.delenv("CARLIB_THREADS", raising=False)
    monkeypatch.setattr(cores._Limit, "threads", None)


def test_the_environment_says_it_before_the_program_and_the_system(monkeypatch):
    assert usable_cores() == joblib.cpu_count()
    limit_threads(1)
    assert usable_cores() == 1
    monkeypatch.setenv("CARLIB_THREADS", " 3 ")
    assert usable_cores() == 3


def test_a_limit_above_what_the_system_allows_allows_no_more():
    limit_threads(10_000)
    assert usable_cores() == joblib.cpu_count()


def test_what_bounds_other_programs_bounds_carlib(monkeypatch):
    """joblib asks the system: the cores a process is bound to, a container's quota."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert usable_cores() == 1


def test_an_engine_is_told_only_what_it_would_not_find_out(monkeypatch):
    monkeypatch.setenv("CARLIB_THREADS", str(os.cpu_count()))
    assert threads_to_set() is None
    monkeypatch.setenv("CARLIB_THREADS", str(os.cpu_count() + 1))
    assert threads_to_set() == os.cpu_count() + 1


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "1e3", "9" * 30])
def test_no_number_is_refused_in_words(monkeypatch, given):
    monkeypatch.setenv("CARLIB_THREADS", given)
    with pytest.raises(OptionError, match=rf"1 or more\. Received: {given}"):
        usable_cores()


COMPUTES = """
import sys
from pathlib import Path
import numpy as np
import carlib
from tests.tiny import paths

def used():
    told = Path("/proc/self/task").glob("*/schedstat")
    return {each.parent.name: int(each.read_text().split()[0]) for each in told}

photos, backbone = paths(sys.argv[1]), carlib.Backbone("EfficientNetLite0")
carlib.compute_bottlenecks(photos[:1], backbone, None, False)
before = used()
np.save(sys.argv[2], carlib.compute_bottlenecks(photos, backbone, None, False))
spent = [after - before.get(thread, 0) for thread, after in used().items()]
print(max(spent) / sum(spent))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="Linux tells what a thread used"
)
def test_a_process_held_to_one_thread_computes_the_same_on_one(tmp_path):
    """A thread's own time, unlike the clock, doesn't tell what else computes here."""
    draw_photos(tmp_path / "p", 300)
    busiest, features = [], []
    for count in ("1", "2"):
        out = tmp_path / f"{count}.npy"
        command = [sys.executable, "-c", COMPUTES, str(tmp_path / "p"), str(out)]
        ran = subprocess.run(
            command,
            env=os.environ | {"CARLIB_THREADS": count},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        busiest.append(float(ran.stdout.splitlines()[-1]))
        features.append(np.load(out))
    np.testing.assert_array_equal(*features)
    assert len(features[0]) == len(paths(tmp_path / "p"))
    # Reading such small photos takes a tenth of the network's time, on other threads.
    assert busiest[0] > 0.75 > busiest[1]


TENSORFLOW = """
from carlib import runtime
threading = runtime.tensorflow().config.threading
print(threading.get_intra_op_parallelism_threads())
"""


def test_tensorflow_is_held_to_it_too():
    command = [sys.executable, "-c", TENSORFLOW]
    environment = os.environ | {"CARLIB_THREADS": "1"}
    where = {"cwd": Path(__file__).parent.parent, "env": environment}
    said = subprocess.run(command, capture_output=True, text=True, check=True, **where)
    assert said.stdout.split() == ["1"]
