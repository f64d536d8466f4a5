"""The workshop in a browser: what is taken is proven, what can't be done is told.

The slow tests make the whole site, which takes a network the first time, and run
notebooks on it with none.
"""

import base64
import hashlib
import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

import carlib
from scripts import lite, lite_pyodide
from scripts.lite_notebooks import SHIPPED, for_browser
from scripts.lite_pyodide import LiteError, entry, listed, take_pyodide, write_lock
from scripts.lite_workspace import as_read
from tests.lab import Lab, errors, free_port, in_order

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PICTURES = ROOT / "build" / "screenshots"
PICTURE = b"a picture"
HERE = "http://127.0.0.1:"


def wheel(folder: Path, name: str, files: tuple[str, ...], metadata: str = "") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each in files:
            archive.writestr(each, "")
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}"
        archive.writestr(f"{name}-1.0.dist-info/METADATA", about)
    return path


def test_pyodide_is_told_of_a_wheel_what_it_needs_to_import_it(tmp_path):
    asks = """Requires-Dist: numpy>=2
Requires-Dist: Scikit_Learn
Requires-Dist: openvino
Requires-Dist: colorama; sys_platform == "win32"
Requires-Dist: matplotlib; extra == "notebooks"
"""
    files = ("car/__init__.py", "car/sample/1.jpeg", "one_module.py", "car.libs/x.so")
    path = wheel(tmp_path, "Some_Car", files, asks)
    shipped = {"numpy", "scikit-learn", "colorama", "matplotlib", "pandas"}
    found = entry(path, shipped)
    assert found["name"] == "some-car" and found["file_name"] == path.name
    assert found["depends"] == ["matplotlib", "numpy", "scikit-learn"]
    assert found["imports"] == ["car", "one_module"]
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_list_has_what_is_there_and_nothing_else(tmp_path):
    wheel(tmp_path, "one", ("one.py",), "Requires-Dist: other\nRequires-Dist: gone\n")
    wheel(tmp_path, "other", ("other/__init__.py",))
    write_lock(tmp_path)
    told = json.loads((tmp_path / "pyodide-lock.json").read_text("utf-8"))
    assert set(told["packages"]) == {"one", "other"}
    assert told["packages"]["one"]["depends"] == ["other"]


def test_files_that_are_not_pyodides_are_all_named(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    names = list(listed())
    (given / names[0]).write_text("another", "utf-8")
    with pytest.raises(LiteError) as caught:
        take_pyodide(tmp_path / "site", tmp_path, given)
    missing = [f"{name} isn't there." for name in names[1:]]
    assert caught.value.problems == [f"{names[0]} is another.", *missing]


def test_of_what_carries_pyodide_nothing_else_is_taken(tmp_path, monkeypatch):
    lines = f"{hashlib.sha256(b'python').hexdigest()}  pyodide.mjs\n"
    (tmp_path / "listed").write_text(lines, "utf-8")
    monkeypatch.setattr(lite_pyodide, "LISTED", tmp_path / "listed")
    with zipfile.ZipFile(tmp_path / "open_webui-1-py3-none-any.whl", "w") as archive:
        archive.writestr("open_webui/frontend/pyodide/pyodide.mjs", "python")
        archive.writestr("open_webui/frontend/pyodide/other.mjs", "other")
        archive.writestr("open_webui/main.py", "its own")
    take_pyodide(tmp_path / "site", tmp_path, None)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["pyodide.mjs"]


@pytest.mark.parametrize("name", ["lite_wheels.txt", "lite_tools.txt"])
def test_what_is_fetched_is_pinned_by_its_content(name):
    lines = (ROOT / "scripts" / name).read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) >= 5
    for pin in pins:
        package, _, digest = pin.partition(" --hash=sha256:")
        assert package.count("==") == 1 and len(bytes.fromhex(digest)) == 32


def test_features_move_from_the_workspace_into_a_wheel(tmp_path, monkeypatch):
    kept = tmp_path / "workspace" / "bottlenecks" / "Network-0123"
    kept.mkdir(parents=True)
    (kept / "shard.npy").write_bytes(b"features")
    lite.features_wheel(tmp_path, kept.parent)
    assert not kept.parent.exists()
    (made,) = tmp_path.glob("*.whl")
    assert entry(made, set())["imports"] == ["lite_features"]
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    lite_features = importlib.import_module("lite_features")
    in_memory = []
    monkeypatch.setattr(lite_features, "in_memory", in_memory.append)
    for _ in range(2):  # a cell may be run again
        lite_features.lay(str(tmp_path / "workspace"))
    assert (kept / "shard.npy").read_bytes() == b"features"
    assert in_memory == [kept.parent]


@pytest.fixture(params=SHIPPED)
def notebook(request) -> nbformat.NotebookNode:
    return for_browser(NOTEBOOKS / f"{request.param}.ipynb", PICTURE)


def test_a_notebook_for_a_browser_is_whole_and_says_that_it_is_one(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python"
    assert notebook.cells[0].source.startswith("# 0")
    assert "**In a browser.**" in notebook.cells[2].source
    assert "WORKSPACE = " in notebook.cells[1].source
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    assert "class_maps" not in code and 'DATA = "auto"' not in code


def test_its_links_lead_to_notebooks_that_are_on_the_site(notebook):
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    others = {path.stem for path in NOTEBOOKS.glob("*.ipynb")} - set(SHIPPED)
    assert "→" in text and "Install" in text
    assert not [name for name in others if f"({name}.ipynb)" in text]


def test_the_picture_that_a_browser_cannot_make_stands_where_it_was():
    path = NOTEBOOKS / "05_evaluate.ipynb"
    before, after = nbformat.read(path, 4), for_browser(path, PICTURE)
    (place,) = [i for i, c in enumerate(before.cells) if "class_maps(" in c.source]
    cell = after.cells[place + 2]  # a note comes first, and the features
    assert cell.cell_type == "markdown" and before.cells[place].source in cell.source
    png = cell.attachments["class_maps.png"]["image/png"]
    assert base64.b64decode(png) == PICTURE
    assert "attachment:class_maps.png" in cell.source


def test_json_is_written_as_javascript_would():
    value = {"a": 2.0, "b": [0.94, 1, None, True], "ä": "ö"}
    assert as_read(value) == '{"a":2,"b":[0.94,1,null,true],"ä":"ö"}'


def test_where_nothing_fits_the_site_stays_as_it_was(tmp_path, monkeypatch, capsys):
    old = tmp_path / "lite"
    old.mkdir()
    (old / "README.txt").write_text("as it was", "utf-8")
    (old / "jupyter-lite.json").write_text("{}", "utf-8")
    for fetch in ("fetch_tools", "fetch_wheels"):
        monkeypatch.setattr(lite, fetch, lambda: tmp_path)
    given = ["--folder", str(old), "--pyodide", str(tmp_path / "none")]
    assert lite.main(given) == 1
    assert "pyodide.mjs isn't there." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lite"]
    assert (old / "README.txt").read_text("utf-8") == "as it was"


# --- the site itself -----------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if not lite.PARTS.is_dir():  # no test fetches 140 MB that nobody asked for
        pytest.skip("make lite fetches the parts")
    lite.fetch_tools()
    lite.fetch_wheels()
    folder = tmp_path_factory.mktemp("lite") / "site"
    lite.make(folder)
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Any web server will do: this is Python's own, as the site's README has it."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=site, **quiet)
    yield f"{HERE}{port}/lab/index.html?path={{}}"
    server.terminate()
    server.wait(30)


class Cut:
    """A browser whose network ends at this machine.

    Attributes:
        asked: What it asked others for, in vain.
    """

    def __init__(self, browser):
        self._browser, self.asked = browser, []

    def new_page(self, **options):
        self.context = self._browser.new_context(**options)
        self.context.route("**/*", self._pass)
        return self.context.new_page()

    def _pass(self, route):
        if route.request.url.startswith(HERE):
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()


def content(lab: Lab) -> nbformat.NotebookNode:
    told = lab.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.model.toJSON()"
    )
    return nbformat.from_dict(told)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_evaluate", "02_load_data"])
def test_a_notebook_runs_in_a_browser_with_no_network(browser, address, name):
    cut = Cut(browser)
    lab = Lab(cut, address, Path(f"{name}.ipynb"))
    lab.run_all()
    notebook = content(lab)
    assert errors(notebook) == [] and in_order(notebook)
    assert f"Checkpoint {name[:2]}: " in json.dumps(notebook)
    assert cut.asked == []
    PICTURES.mkdir(parents=True, exist_ok=True)
    lab.picture(PICTURES / f"{name}-lite.png")
    cut.context.close()


@pytest.mark.slow
def test_the_site_asks_its_own_server_for_everything(site):
    settings = json.loads((site / "jupyter-lite.json").read_text("utf-8"))
    kernels = settings["jupyter-config-data"]["litePluginSettings"]
    (kernel,) = kernels.values()
    assert kernel["disablePyPIFallback"]
    assert kernel["pyodideUrl"].startswith("./static/")
    told = json.loads((site / "static/pyodide/pyodide-lock.json").read_text("utf-8"))
    wheels = {each["file_name"] for each in told["packages"].values()}
    assert wheels == {path.name for path in (site / "static/pyodide").glob("*.whl")}
    assert {"carlib", "numpy", "pandas", "matplotlib"} <= set(told["packages"])
    assert {"matplotlib", "pandas"} <= set(told["packages"]["carlib"]["depends"])


@pytest.mark.slow
def test_the_model_that_is_shipped_is_the_one_that_its_workspace_says(site):
    workspace = site / "files" / "workspace"
    files = carlib.take_up(workspace, "photos.csv", "trainer.json", "trained.zip")
    text = files["trainer.json"].read_text("utf-8")
    assert as_read(json.loads(text)) == text
    assert json.loads(text)["optimizer"] == "lbfgs"
