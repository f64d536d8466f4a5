"""The notebooks run in order, hand over files, and the runner catches what goes wrong.

The first six run twice on the drawn sample (for most tests need what they make), the
others on what they have made, in slow tests; notebooks that misbehave are made here,
beside a copy of the runner.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image, ImageOps

import carlib

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
SIX = PATHS[:6]
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
# Native code's stderr takes a moment to get through to the cell.
NATIVE = "import os, time\nos.write(2, b'native noise\\n')\ntime.sleep(1)"
QUICK = ("--arch", "EfficientNetLite0", "--epochs", "3")


def run(*arguments: object, script: Path = NOTEBOOKS / "run.py"):
    """Run the runner as a person would: a kernel that sees pytest hides stderr."""
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        timeout=500,
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workshop") / "workspace"


@pytest.fixture(scope="module")
def first(workspace, sample):
    """The six, run once: what the runner said."""
    before = [path.read_bytes() for path in PATHS]
    only = ("--only", *(path.name[:2] for path in SIX))
    result = run("--data", sample, *QUICK, *only, "--workspace", workspace)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.read_bytes() for path in PATHS] == before, "a notebook was changed"
    return result


@pytest.fixture(scope="module")
def executed(first, workspace) -> list[nbformat.NotebookNode]:
    return [nbformat.read(workspace / "executed" / path.name, 4) for path in SIX]


def outputs(notebook: nbformat.NotebookNode) -> list:
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]


def shown(notebook: nbformat.NotebookNode) -> str:
    """Return all text that the cells put out."""
    texts = [o.get("text", "") for o in outputs(notebook)]
    data = [o.get("data", {}) for o in outputs(notebook)]
    return "\n".join([*texts, *(d.get(kind, "") for d in data for kind in d)])


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in o.get("data", {}) for o in outputs(notebook))


def test_the_six_run_in_order_and_hand_over_their_files(first, workspace):
    made = {path.name for path in workspace.iterdir()}
    assert made >= {
        *("photos.csv", "trainer.json", "trained.zip", "bottlenecks"),
        *("predictions.csv", "metrics.json", "ImageModel.zip", "exported", "executed"),
    }
    pages = {path.name for path in (workspace / "executed").iterdir()}
    suffixes = (".ipynb", ".html")
    assert pages == {path.with_suffix(s).name for path in SIX for s in suffixes}


def test_the_summary_tells_data_backbone_figures_and_where_things_lie(first, workspace):
    lines = dict(line.split(None, 1) for line in first.stdout.strip().splitlines())
    assert lines["data"].startswith("200 photos: 160 to train on, 40 kept back")
    assert lines["data"].endswith(str(Path("data", "sample")))
    assert lines["backbone"] == "EfficientNetLite0"
    assert "drawn sample" in lines["note"]
    metrics = json.loads((workspace / "metrics.json").read_text(encoding="utf-8"))
    for kind in ("micro", "macro"):
        accuracy = f"{metrics[f'{kind}_accuracy']:.3f}"
        baseline = f"{metrics[f'majority_{kind}_accuracy']:.3f}"
        line = lines[f"{kind}-accuracy"]
        assert line.startswith(accuracy) and line.endswith(f"{baseline})")
        assert "interval" in line
    assert float(lines["seconds"]) > 1
    assert "executed" in lines["notebooks"] and "ImageModel.zip" in lines["model"]


def test_nothing_is_written_outside_the_workspace(first, workspace):
    assert [path.name for path in workspace.parent.iterdir()] == ["workspace"]


def test_no_output_holds_an_absolute_path(executed):
    for notebook in executed:
        for place in {str(ROOT), str(Path.home()), sys.prefix} - {"/"}:
            assert place not in shown(notebook)
        assert not re.search(r"PosixPath|WindowsPath|0x[0-9a-f]{8}", shown(notebook))
    assert str(ROOT) not in json.dumps([notebook.metadata for notebook in executed])


def test_each_picture_of_the_lesson_is_there(executed):
    assert [pictures(notebook) for notebook in executed] == [2, 3, 2, 3, 6, 1]


def test_the_bottleneck_cell_is_free_the_second_time(executed):
    counts = re.findall(r"^160 photos: (.*ed)\b", shown(executed[3]), re.M)
    # The cell, the cell again, the training, and the map.
    assert counts == ["0 cached, 160 computed", *["160 cached, 0 computed"] * 3]


def test_training_reports_each_epoch_in_a_line_that_fits_a_projector(executed):
    line = r"^epoch +\d+   train [\d.]+ / [\d.]+ +validation [\d.]+ / [\d.]+ *$"
    found = re.findall(line, shown(executed[3]), re.M)
    assert len(found) == 3 and max(map(len, found)) <= 70
    assert "Trained 3 epochs in" in shown(executed[3])


def test_exercises_wait_for_an_answer_and_stop_nobody(executed):
    for notebook in executed:
        tags = [cell["metadata"].get("tags", []) for cell in notebook.cells]
        asked = sum("exercise" in tag for tag in tags)
        assert asked >= 2
        assert shown(notebook).count("Not answered yet.") == 2 * asked  # and as HTML


@pytest.fixture(scope="module")
def predictions(first, workspace) -> list[dict[str, str]]:
    with (workspace / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_right(row: dict[str, str]) -> bool:
    return row["damage_class"] == row["predicted_label"]


def test_twenty_photos_are_listed_and_the_surest_mistakes_first(executed, predictions):
    line = r"^(.) Image: (\S+) \| Actual: (\w+) \| Predicted: (\w+)$"
    listed = re.findall(line, shown(executed[4]), re.M)
    ranked = sorted(predictions, key=lambda r: (is_right(r), -float(r["score"])))
    assert listed == [
        (
            "✗✓"[is_right(r)],
            *(Path(r["image_path"]).name, r["damage_class"], r["predicted_label"]),
        )
        for r in ranked[:20]
    ]


def test_each_score_is_shown_once_and_the_matrix_after_its_words(executed, workspace):
    page = (workspace / "executed" / "05_evaluate.html").read_text(encoding="utf-8")
    assert page.count("95 % interval") == 1
    assert "Confusion table" not in page
    sources = [cell.source for cell in executed[4].cells]
    explained = next(i for i, source in enumerate(sources) if "*Precision*" in source)
    read = [i for i, source in enumerate(sources) if "plot_confusion" in source]
    assert read == [explained + 1]


def test_refused_answers_are_counted_right_and_wrong(executed, predictions):
    refused = [is_right(r) for r in predictions if r["refused"] == "True"]
    counted = re.findall(r"^True +(\d+) +(\d+)", shown(executed[4]), re.M)
    assert counted == [(str(sum(refused)), str(len(refused) - sum(refused)))]


def test_a_stand_in_says_what_it_is(executed):
    assert "drawn sample" in shown(executed[3])


def test_pages_are_readable_without_a_network(first, workspace):
    for path in (workspace / "executed").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert not re.findall(r"""(?:src|import\()\s*=?\s*["']?https?:""", page)
        assert "widget-view" not in page
        assert f"{path.stem[:2]} · " in page
        assert not re.search(r'<img[^>]+src="(?!data:)', page)
        assert not re.search(r'href="\d\d_\w+\.ipynb"', page)


@pytest.mark.slow
def test_notebooks_run_again_alone_compute_no_bottleneck_and_say_the_same(
    first, workspace
):
    figures = (workspace / "metrics.json").read_bytes()
    again = run("--only", "04", "05", "--workspace", workspace)
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"^bottlenecks +0 computed", again.stdout, re.M)
    assert (workspace / "metrics.json").read_bytes() == figures


@pytest.mark.parametrize(
    ("number", "missing", "maker"),
    [
        ("03", "photos.csv", "02_load_data"),
        ("04", "photos.csv", "02_load_data"),
        ("05", "photos.csv", "02_load_data"),
        ("06", "trained.zip", "04_train"),
        ("07", "exported", "06_save_model"),
        ("08", "trained.zip", "04_train"),
    ],
)
def test_a_notebook_without_its_inputs_says_which_makes_them(
    number, missing, maker, tmp_path
):
    result = run("--only", number, "--workspace", tmp_path / "workspace")
    assert result.returncode == 1
    assert f"{missing} isn't there: {maker} makes it." in result.stderr
    assert re.search(f"Run .*{maker}.*, and come back", result.stderr)


def test_what_was_made_from_another_list_is_noticed(first, workspace, leaked, tmp_path):
    """The photos are changed, and the training is forgotten."""
    other = shutil.copytree(workspace, tmp_path / "workspace")
    changed = run("--data", leaked, "--only", "02", "--workspace", other)
    assert changed.returncode == 0, changed.stdout + changed.stderr
    result = run("--only", "05", "--workspace", other)
    assert result.returncode == 1
    assert "trained.zip was made from another photos.csv" in result.stderr
    assert "Run 04_train, and come back." in result.stderr


@pytest.mark.slow
def test_07_asks_three_programs_and_gets_one_answer(first, workspace):
    result = run("--only", "07", "--workspace", workspace)
    assert result.returncode == 0, result.stdout + result.stderr
    notebook = nbformat.read(workspace / "executed" / "07_consume_model.ipynb", 4)
    said = shown(notebook)
    found = re.search(r"Largest difference between two programs: (\S+)", said)
    assert found and float(found[1]) < 1e-4
    assert "the three programs give one answer: True" in said
    assert pictures(notebook) == 1


@pytest.mark.slow
def test_08_makes_a_model_of_two_backbones_that_knows_when_it_is_not_sure(
    first, workspace
):
    result = run("--only", "08", "--workspace", workspace)
    assert result.returncode == 0, result.stdout + result.stderr
    notebook = nbformat.read(workspace / "executed" / "08_improve_model.ipynb", 4)
    assert pictures(notebook) == 5
    model = carlib.load_model(workspace / "improved.zip")
    assert model.arch == "EfficientNetLite0 + EfficientNetLite0-layers"
    assert model.calibration and model.confidence
    assert model.metrics["n"] == 40


@pytest.fixture
def leaked(sample, tmp_path) -> Path:
    """The sample, and in its V a photo of T, turned round and saved anew."""
    folder = shutil.copytree(sample, tmp_path / "leaked")
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["subset"] == "T")
    with Image.open(folder / row["image"]) as photo:
        ImageOps.mirror(photo).save(folder / "image" / "again.jpeg", quality=70)
    with (folder / "index.csv").open("a", encoding="utf-8") as file:
        file.write(f"image/again.jpeg,{row['class']},V\n")
    return folder


def test_02_shows_a_photo_that_stands_on_both_sides(leaked, tmp_path):
    workspace = tmp_path / "workspace"
    result = run("--data", leaked, "--only", "02", "--workspace", workspace)
    assert result.returncode == 0, result.stdout + result.stderr
    text = shown(nbformat.read(workspace / "executed" / "02_load_data.ipynb", 4))
    table = [line for line in text.splitlines() if re.match(r"\d+ .*\.jpeg", line)]
    assert [line.split()[-2] for line in table[-2:]] == ["T", "V"]
    assert "again.jpeg" in table[-1]
    assert "40 photos of the test set are in no way in the training set" in text


class Bench:
    """A folder with a copy of the runner and notebooks made up for a test."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copy(NOTEBOOKS / "run.py", folder)
        shutil.copytree(NOTEBOOKS / "runner", folder / "runner")

    def run(self, *cells: str, options: tuple[str, ...] = ()):
        parameters = new_code_cell('WORKSPACE = "workspace"\nSEED = 0')
        parameters.metadata["tags"] = ["parameters"]
        done = new_code_cell('print("Checkpoint 01: done")')
        body = [*map(new_code_cell, cells), done]
        notebook = new_notebook(cells=[new_markdown_cell("# 01"), parameters, *body])
        notebook.metadata.kernelspec = KERNEL
        nbformat.write(notebook, self.folder / "01_made_up.ipynb")
        return run(*options, script=self.folder / "run.py")

    @property
    def executed(self) -> Path:
        return self.folder / "workspace" / "executed"


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def test_a_sound_notebook_passes(bench):
    result = bench.run("print(WORKSPACE, SEED)", options=("-p", "SEED=7"))
    assert result.returncode == 0, result.stderr
    page = (bench.executed / "01_made_up.html").read_text(encoding="utf-8")
    assert "workspace 7" in page


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (NATIVE, "to stderr: native noise"),
        ("import logging\nlogging.getLogger('lib').warning('mine')", "stderr: mine"),
    ],
)
def test_what_libraries_write_to_stderr_is_told_and_fails_nothing(bench, cell, said):
    result = bench.run(cell)
    assert result.returncode == 0, result.stderr
    assert "a library, In [2]" in result.stderr and said in result.stderr


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("1 / 0", "In [2], `1 / 0`:\n    ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "ended in SystemExit: 0; the cells after it never ran"),
        ("import warnings\nwarnings.warn('ours')", "UserWarning: ours"),
        ("import os\nos.kill(os.getpid(), 9)", "the kernel died"),
        ("import time\ntime.sleep(60)", "took longer than 3 s"),
        ("get_ipython().ask_exit()\nprint = id", "did not print 'Checkpoint 01'"),
    ],
)
def test_a_notebook_that_goes_wrong_fails_the_run(bench, cell, said):
    result = bench.run(cell, options=("--timeout", "3"))
    assert result.returncode == 1
    assert "01_made_up.ipynb failed." in result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    for suffix in (".ipynb", ".html"):
        assert (bench.executed / f"01_made_up{suffix}").exists()


def test_misspelt_parameters_are_refused_before_anything_runs(bench):
    result = bench.run(options=("-p", "SEDE=1", "-p", "OTHER=1"))
    assert result.returncode == 1
    assert "OTHER, SEDE (did you mean SEED?)" in result.stderr
    assert not bench.executed.exists()


def test_an_option_that_no_notebook_to_run_takes_is_refused(bench):
    result = bench.run(options=("--epochs", "3"))
    assert result.returncode == 1
    assert "EPOCHS" in result.stderr


def test_a_parameter_with_an_option_of_its_own_is_given_by_that(bench):
    result = bench.run(options=("-p", "WORKSPACE=elsewhere"))
    assert result.returncode == 1
    assert "WORKSPACE has an option of its own: --workspace" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-p", "SEED"), "Expected -p NAME=VALUE. Received: SEED"),
        (("--timeout", "0"), "Expected --timeout of 1 or more. Received: 0"),
        (("--output", __file__), "test_notebooks.py can't be written: "),
    ],
)
def test_options_that_cannot_be_are_told_in_words(bench, options, said):
    result = bench.run(options=options)
    assert result.returncode == 1
    assert said in result.stderr and "Traceback" not in result.stderr


def test_a_kernel_that_never_begins_fails_the_run_in_words(bench, monkeypatch):
    startup = bench.folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("import os; os._exit(3)", "utf-8")
    monkeypatch.setenv("IPYTHONDIR", str(bench.folder / "ipython"))
    result = bench.run()
    assert result.returncode == 1
    assert "01_made_up.ipynb failed.\n  - no kernel began: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_notebook_that_is_not_there_is_refused():
    result = run("--only", "12")
    assert result.returncode == 1
    assert "No notebook 12; there are 01_install, " in result.stderr


def test_a_notebook_is_never_executed_in_place(bench):
    result = bench.run(options=("--output", str(bench.folder)))
    assert result.returncode == 1
    assert "would overwrite the notebooks" in result.stderr


def test_help_shows_examples():
    result = run("--help")
    assert result.returncode == 0
    assert "python notebooks/run.py --only 04 05" in result.stdout
