"""The architecture, held by reading the code: who imports whom, and who writes."""

import ast
import functools
import inspect
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import carlib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "carlib"

# The house: each folder stands on those before it, and so does each module in its
# folder. The ground has none.
ORDER = {
    "": (
        "errors",
        "display",
        "reading",
        "files",
        "messages",
        "archives",
        "downloads",
        "interrupts",
        "cores",
        "runtime",
    ),
    "data": (
        *("opening", "images", "walk", "addresses", "stores", "tar_table", "tars"),
        *("sources", "photos", "locate", "labels"),
        *("hashes", "buckets", "near"),
        *("folder", "listed", "index", "contents", "class_folders", "samples"),
        "places",
        *("spreadsheet", "growing", "decisions", "patch", "table"),
    ),
    "backbones": (
        *("checkpoint", "efficientnet_lite", "architectures", "weights", "precisions"),
        *("operations", "kept", "graphs"),
        *("engines", "int8", "own", "backbone", "cut", "joined"),
        *("layers", "maps"),
    ),
    "bottlenecks": (
        *("status", "opened", "tables", "shard_file", "shard_folder", "open_folder"),
        *("shards", "rows"),
        *("stat_index", "cache"),
        *("pace", "features", "run", "worker", "cluster", "extract", "transformer"),
    ),
    "model": (
        *("head", "calibration", "confidence", "digests", "manifest", "file"),
        *("keras_model", "answers", "shown", "evidence", "card", "parts", "model"),
        "frozen",
    ),
    "training": (
        *("ranges", "early_stopping", "schedules", "optimizers", "options", "plain"),
        *("progress", "short_report", "logs", "photo_set", "folds", "choose_l2"),
        *("keras_head", "given", "task", "epochs", "optimum", "direct"),
        *("held_out", "calibrate", "loop", "epoch_bar", "trainer", "upper"),
        "fine_tune",
        "classifier",
    ),
    "evaluation": (
        *("intervals", "resampling", "text", "paired", "metrics", "headline"),
        *("evaluate", "coverage", "costs", "drift", "listing"),
        "reliability",
        *("cross_validation", "compare", "patch_worth"),
        *("power_law", "thinned", "learning_curve", "label_next"),
        *("junit", "check", "figures", "prove"),
    ),
    "audits": (
        *("faults", "crops", "cells", "pairs", "suspects", "classes", "found"),
        "audit",
    ),
    "explain": (
        *("views", "class_maps", "penalised", "representers", "blame", "nearest"),
        *("feature_map", "layers", "overfitting"),
    ),
    "plots": (
        *("style", "photos", "charts", "comparison", "coverage"),
        *("learning_rate", "nearest", "layers", "overfitting"),
        *("class_maps", "feature_map", "reliability"),
        "pairs",
        "learning_curve",
    ),
    "pages": (
        *("words", "page", "thumbnails", "overlay", "geometry", "answers", "leaks"),
        *("audited", "summary", "matrix", "classes", "reasons", "mistakes", "sure"),
        *("findings", "origin", "listing", "report", "cases", "clinic"),
    ),
    "app": (
        *("page", "vendored", "graph", "proof", "parts", "web", "html"),
        *("answers", "server"),
    ),
    "exports": (
        *("source", "saved_model", "pb", "keras", "tflite", "onnx", "openvino"),
        *("clients", "formats", "proof", "manifest", "export"),
    ),
    "lessons": ("handover", "verdict", *(f"check_0{n}" for n in range(1, 10))),
    "cli": (
        *("terminal", "app", "audit", "bottlenecks", "cache", "train"),
        *("compare", "answers"),
        *("predict", "drift", "doctor", "label_next", "costs"),
        *("report", "clinic", "check", "prove", "learning_curve", "fine_tune"),
        *("export", "main"),
    ),
}
MODULES = [
    f"{folder}.{name}".lstrip(".") for folder, names in ORDER.items() for name in names
]
WRITERS = {
    *("write_text", "write_bytes", "tofile", "savefig", "urlretrieve", "touch"),
    *("save", "savez", "savez_compressed", "savetxt", "dump", "write_graph"),
    *("to_csv", "to_json", "to_pickle", "to_parquet", "to_excel", "to_html"),
    *("copy2", "copyfile", "copytree", "symlink_to", "hardlink_to", "fdopen"),
}
# Calls that look like writing to the disk and aren't, or go where files.py said.
WRITES_ELSEWHERE = {
    ("app.html", "np.save"): "into memory",
    ("app.html", "zipfile.ZipFile"): "into memory",
    ("app.parts", "model.save"): "carlib's own",
    ("bottlenecks.extract", "index.save"): "carlib's own",
    ("cli.fine_tune", "tuned.save"): "carlib's own",
    ("cli.train", "model.save"): "carlib's own",
    ("data.spreadsheet", "safe.to_csv"): "into memory",
    ("downloads", "path.open"): "the temporary file of files.atomic_path",
    ("exports.keras", "network.save"): "the folder of files.atomic_folder",
    ("exports.proof", "image.save"): "into memory",
    ("exports.saved_model", "tf.saved_model.save"): "the folder of files.atomic_folder",
    ("model.file", "np.save"): "into memory",
    ("pages.overlay", "image.save"): "into memory",
    ("plots.overfitting", "still.save"): "into memory",
    ("pages.thumbnails", "image.save"): "into memory",
    ("runtime", "os.open"): "the null device",
}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "extractall", "Lambda", "TFSMLayer"}
FORBIDDEN_MODULES = {"pickle", "dill", "joblib", "marshal", "shelve", "torch"}
# Reads a checkpoint that comes with pip, by an unpickler that admits only tensors.
MAY_IMPORT = {("backbones.checkpoint", "pickle"), ("cores", "joblib")}
FORBIDDEN_OPTIONS = {("allow_pickle", True), ("safe_mode", False), ("shell", True)}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Each module of carlib, such as "data.images", and its tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def inner_imports(tree: ast.AST) -> set[str]:
    """What of carlib a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            parts = source.split(".")
            if node.level:
                found.add("." * node.level + source)
            elif source in {"carlib", *(f"carlib.{name}" for name in ORDER if name)}:
                found |= {f"{source}.{alias.name}" for alias in node.names}
            elif parts[0] == "carlib":
                found.add(source)
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
            found |= {name for name in names if name.split(".")[0] == "carlib"}
    return found


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def writes(call: ast.Call) -> bool:
    """Whether a call could write to the disk, by its name or the mode it asks for."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        return mode_writes(call, 1)
    if name == "open":
        by_path = ast.unparse(call.func) in {"os.open", "io.open", "tarfile.open"}
        return "O_WR" in ast.unparse(call) or mode_writes(call, 1 if by_path else 0)
    if ast.unparse(call.func).endswith("ZipFile"):
        return mode_writes(call, 1)
    return name in WRITERS and ast.unparse(call.func) != f"files.{name}"


def mode_writes(call: ast.Call, position: int) -> bool:
    modes = [k.value for k in call.keywords if k.arg == "mode"]
    modes += call.args[position : position + 1]
    if ast.unparse(call.func) == "os.open":
        return False
    values = {str(mode.value) for mode in modes if isinstance(mode, ast.Constant)}
    unknown = {ast.unparse(m) for m in modes if not isinstance(m, ast.Constant)}
    return bool(set("".join(values)) & set("wax+")) or any("mode" in m for m in unknown)


def test_every_module_has_its_place_in_the_order():
    inits = {
        "__init__",
        "__main__",
        *(f"{folder}.__init__" for folder in ORDER if folder),
    }
    assert sorted([*MODULES, *inits]) == sorted(modules())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_those_above_it(name):
    above = {f"carlib.{other}" for other in MODULES[: MODULES.index(name)]}
    imported = inner_imports(modules()[name]) - {"carlib.__version__"}
    assert imported <= above, f"{name} imports {sorted(imported - above)}"


@pytest.mark.parametrize("folder", [folder for folder in ORDER if folder])
def test_a_folder_says_what_it_is_for_and_hands_nothing_on(folder):
    tree = modules()[f"{folder}.__init__"]
    assert ast.get_docstring(tree) and len(tree.body) == 1


def test_the_import_test_sees_every_way_to_import():
    source = """
import carlib.cli.main
from carlib import plots, x
from carlib.model import file
from carlib.model.head import y
def f():
    from .. import data
    import carlib
"""
    assert inner_imports(ast.parse(source)) == {
        *("carlib", "carlib.cli.main", "carlib.plots", "carlib.x"),
        *("carlib.model.file", "carlib.model.head", ".."),
    }


def test_only_files_writes_to_the_disk():
    found = {
        (name, ast.unparse(call.func))
        for name, tree in modules().items()
        if name != "files"
        for call in calls(tree)
        if writes(call)
    }
    assert found - set(WRITES_ELSEWHERE) == set()
    assert set(WRITES_ELSEWHERE) - found == set(), "exceptions that nobody needs"


@pytest.mark.parametrize(
    "source",
    [
        "open(p, 'w')",
        "open(p, mode='ab')",
        "p.open('x')",
        "p.open(mode)",
        "open(p, 'r+b')",
        "p.write_text('a')",
        "np.save(p, a)",
        "t.to_csv(p)",
        "json.dump(v, f)",
        "zipfile.ZipFile(p, 'w')",
        "os.open(p, os.O_WRONLY)",
    ],
)
def test_the_write_test_sees_a_write(source):
    assert any(writes(call) for call in calls(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "open(p)",
        "p.open('rb')",
        "zipfile.ZipFile(p)",
        "archive.open(info)",
        "files.write_text(p, t)",
        "write_json(p, v)",
        "os.open(p, os.O_RDONLY)",
    ],
)
def test_the_write_test_lets_reading_and_files_pass(source):
    assert not any(writes(call) for call in calls(ast.parse(source)))


def dares(tree: ast.AST) -> set[str]:
    """What a module does that no module may: run code from outside, check by assert."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.add("assert")
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names} & FORBIDDEN_MODULES
        if isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").split(".")[0]} & FORBIDDEN_MODULES
        if isinstance(node, ast.Name | ast.Attribute):
            by_attribute = FORBIDDEN_NAMES - {"compile", "eval", "exec"}
            found |= {getattr(node, "id", "")} & FORBIDDEN_NAMES
            found |= {getattr(node, "attr", "")} & by_attribute
        if isinstance(node, ast.keyword):
            option = (node.arg, getattr(node.value, "value", None))
            found |= (
                {"=".join(map(str, option))} if option in FORBIDDEN_OPTIONS else set()
            )
    return found


def test_nothing_runs_code_from_outside_or_checks_by_assert():
    found = {(name, what) for name, tree in modules().items() for what in dares(tree)}
    assert found == MAY_IMPORT


def test_the_dare_test_sees_each_of_them():
    source = """
import pickle
from joblib import load
assert x
eval(x)
archive.extractall(p)
np.load(p, allow_pickle=True)
keras.layers.Lambda(f)
load(p, safe_mode=False)
"""
    assert dares(ast.parse(source)) == {
        *("pickle", "joblib", "assert", "eval", "extractall", "Lambda"),
        *("allow_pickle=True", "safe_mode=False"),
    }


def test_all_public_names_are_sorted_and_can_be_had():
    assert carlib.__all__ == sorted(set(carlib.__all__))
    assert dir(carlib) == carlib.__all__
    for name in carlib.__all__:
        assert getattr(carlib, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        carlib.nonsense  # noqa: B018


PUBLIC = [
    name
    for name in carlib.__all__
    if name not in {"ARCHS", "RECOMMENDED", "RECOMMENDED_ARCHS", "__version__"}
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_in_one_line_what_it_is_for(name):
    thing = getattr(carlib, name)
    first = (thing.__doc__ or "").partition("\n")[0]
    assert re.fullmatch(r"[A-Z`].*[.]", first), f"{name}: {first!r}"
    if inspect.isfunction(thing):
        verb = first.split()[0]
        assert not re.search(r"(?<!s)s$|ing$|ed$", verb), f"{name} is told to: {first}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_says_what_it_takes_and_gives(name):
    thing = getattr(carlib, name)
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        kinds = [p.annotation for p in signature.parameters.values()]
        assert inspect.Signature.empty not in [*kinds, signature.return_annotation]


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after some code."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


HEAVY = {"tensorflow", "keras", "matplotlib", "sklearn", "scipy", "openvino", "IPython"}
DATA = {"pandas", "numpy", "PIL", "pooch", "requests"}


@pytest.mark.parametrize(
    "code",
    ["import carlib", "import carlib.cli.main", "import carlib; carlib.OptionError"],
)
def test_importing_carlib_brings_in_nothing_that_takes_time(code):
    assert loaded_after(code) & (HEAVY | DATA) == set()


@pytest.mark.parametrize(
    "name", ["data.table", "evaluation.evaluate", "plots.charts", "bottlenecks.shards"]
)
def test_what_needs_no_network_brings_in_no_tensorflow(name):
    assert loaded_after(f"import carlib.{name}") & HEAVY == set()


def lines_of(function: ast.FunctionDef) -> int:
    """The lines of a function's body, its docstring left out."""
    body = function.body[ast.get_docstring(function) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_files_and_functions_stay_small():
    sizes = [
        len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")
    ]
    assert max(sizes) <= 350
    nodes = [node for tree in modules().values() for node in ast.walk(tree)]
    lengths = [lines_of(node) for node in nodes if isinstance(node, ast.FunctionDef)]
    assert statistics.median(lengths) <= 8
    assert statistics.quantiles(lengths, n=10)[-1] <= 25


def files_in_git() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


# Written so that this file doesn't hold what it looks for.
HOSTS = re.compile(
    r"pypi[.]org|python[h]osted|registry[.]npmjs|deb[.]debian|/opt/[p]ypi"
)
PLACES = re.compile(r"/(?:home|Users)/[\w.]+/|/[r]oot/|/[w]ork/|[A-Z]:\\Users\\")


def test_no_file_names_a_registry_or_somebodys_own_folders():
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in files_in_git()
        for pattern in (HOSTS, PLACES)
        if (hit := pattern.search(path.read_text("utf-8", errors="ignore")))
    ]
    assert found == []


def test_nothing_large_or_private_is_in_git():
    paths = files_in_git()
    large = [p.name for p in paths if p.stat().st_size > 1_000_000]
    assert large == ["ort.wasm.gz"]  # 3.7 MB: what runs a network in a browser
    ignored = {".venv", "workspace", "__pycache__", "car_damage"}
    assert [p for p in paths if ignored & set(p.relative_to(ROOT).parts)] == []
