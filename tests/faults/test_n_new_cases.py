"""N: weights and options of a stranger, and surroundings that nobody thinks of."""

import gzip
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import h5py
import numpy as np
import pytest

from carlib import downloads
from carlib.backbones.backbone import Backbone
from carlib.backbones.checkpoint import read_checkpoint
from carlib.backbones.efficientnet_lite import checkpoint_path
from carlib.bottlenecks.extract import compute_bottlenecks
from carlib.cli.cache import agree_to_remove
from carlib.cli.predict import content_of
from carlib.data import opening
from carlib.errors import ImageError, OptionError, WeightsError
from carlib.training.trainer import ImageClassificationTrainer
from tests.tiny import Tiny

# What the embedded checkpoint says of its first tensor: 32 × 3 × 3 × 3 of 864 numbers.
COUNT, SHAPE = b"M`\x03Ntq\x08QK\x00(", b"(K K\x03K\x03K\x03tq\t"
STRIDES = b"(K\x01K M \x01K`tq\n"


def edited(path: Path, old: bytes, new: bytes) -> Path:
    """The embedded checkpoint with one thing in it changed."""
    data = checkpoint_path().read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path


def number(value: int) -> bytes:
    """A whole number of up to eight bytes, as pickles have it."""
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)


def by_layout(path: Path, weight_names=("w",)) -> h5py.File:
    """A file in Keras's first layout, of one layer, to be filled."""
    file = h5py.File(path, "w")
    file.attrs["layer_names"] = [b"layer"]
    file.create_group("layer").attrs["weight_names"] = weight_names
    return file


READ = """
import sys
from carlib import downloads
from carlib.backbones.backbone import Backbone
from carlib.errors import WeightsError
try:
    Backbone("EfficientNetLite0", sys.argv[1], 1, "float32").weights_vector()
except WeightsError as error:
    print(error)
"""


class Command:
    """Runs a command of the system when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("steps", [(1, -(10**6), 10**6 + 320, 96), (-1, 32, 288, 96)])
def test_n01_strides_that_lead_out_of_a_checkpoint_are_refused(tmp_path, steps):
    """Strides below 0 never lead a checkpoint's reader out into other memory."""
    strides = b"(" + b"".join(map(number, steps)) + b"tq\n"
    path = edited(tmp_path / "evil.pth", STRIDES, strides)
    command = [sys.executable, "-c", READ, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (told.returncode, told.stderr) == (0, "")
    assert "evil.pth is not a PyTorch checkpoint of plain tensors" in told.stdout


@pytest.mark.parametrize("kind", ["storage", "shape"])
def test_n02_a_checkpoint_that_says_it_is_endless_takes_no_memory(tmp_path, kind):
    """A checkpoint that tells of more numbers than it has bytes is not believed."""
    path = tmp_path / "evil.pth"
    if kind == "storage":
        edited(path, COUNT, number(2**50) + COUNT[3:])
    else:
        edited(path, SHAPE + STRIDES, b"(" + number(2**40) + b"tq\t(K\0tq\n")
    with pytest.raises(WeightsError, match=r"evil\.pth is not a PyTorch checkpoint"):
        Backbone("EfficientNetLite0", path).weights_vector()


def test_n03_a_checkpoint_that_is_a_program_is_not_run(tmp_path):
    """A pickle that asks for os.system, or goes too deep, is refused and not run."""
    canary, path = tmp_path / "canary", tmp_path / "evil.pth"
    whole = checkpoint_path().read_bytes()
    programs = [pickle.dumps(Command(canary), protocol) for protocol in (0, 2, 4)]
    deep = b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"."
    tuples = b"\x80\x02)" + b"\x85" * 100_000 + b"."
    for start in (*programs, deep, tuples):
        for data in (start, start + whole, whole[:17] + start + whole[17:]):
            path.write_bytes(data)
            with pytest.raises(WeightsError, match=r"evil\.pth is not"):
                Backbone("EfficientNetLite0", path).weights_vector()
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["link", "storage", "dangling", "64 TB", "Lambda"])
def test_n04_an_h5_file_is_weights_and_leads_nowhere(tmp_path, kind):
    """HDF5 that links to other files, has 64 TB or holds layers is refused in words."""
    path, other = tmp_path / "evil.h5", str(tmp_path / "secret")
    Path(other).write_bytes(bytes(4_000))
    lambda_layer = {"class_name": "Lambda", "config": {"function": "exit(1)"}}
    with by_layout(path) as file:
        if kind == "link":
            file["layer"]["w"] = h5py.ExternalLink(other, "w")
        elif kind == "storage":
            outside = [(other, 0, 4_000)]
            file["layer"].create_dataset("w", (1_000,), "f4", external=outside)
        elif kind == "dangling":
            file["layer"]["w"] = h5py.SoftLink("/nowhere")
        elif kind == "64 TB":
            file["layer"].create_dataset("w", (2**44,), "f4", chunks=(2**10,))
        else:
            file.attrs["model_config"] = json.dumps(lambda_layer)
    with pytest.raises(WeightsError, match=r"evil\.h5 do not fit MobileNetV2-0\.35"):
        Backbone("MobileNetV2-0.35", path).weights_vector()


@pytest.mark.parametrize("kind", ["h5", "pth", "vector"])
def test_n05_weights_that_are_nan_are_never_computed_with(tmp_path, kind):
    """NaN among weights is an error: a network may turn it into plain numbers."""
    weights = np.full(3_413_024, np.nan, np.float32)
    if kind == "h5":
        weights = tmp_path / "w.h5"
        with by_layout(weights) as file:
            file["layer"]["w"] = np.full((3, 3, 3, 32), np.nan, np.float32)
    elif kind == "pth":
        data = checkpoint_path().read_bytes()
        weights = tmp_path / "w.pth"
        scale = read_checkpoint(checkpoint_path())["_bn0.weight"].tobytes()
        weights.write_bytes(data.replace(scale, b"\xff" * len(scale)))
    with pytest.raises(WeightsError, match="not numbers"):
        Backbone("EfficientNetLite0", weights).fingerprint  # noqa: B018


@pytest.mark.parametrize(
    "names", [5, [1, 2], [0.5], [b"\xff"], [b""], [b"none"], [b"."], [b"/"]]
)
def test_n06_odd_names_of_weights_are_an_error_in_words(tmp_path, names):
    """Names of weights that are numbers, empty, no text or nobody's are an error."""
    by_layout(tmp_path / "odd.h5", names).close()
    with pytest.raises(WeightsError, match=r"odd\.h5 do not fit MobileNetV2-0\.35"):
        Backbone("MobileNetV2-0.35", tmp_path / "odd.h5").weights_vector()


@pytest.mark.parametrize("prefix", ["../../X_", "/tmp/X_", r"..\X_", "C:X_", "a/X_"])
def test_n16_the_prefix_of_a_file_names_no_folder(trainer, prefix):
    """A prefix for the final network's file that leads elsewhere is refused."""
    plain = trainer().options() | {"final_model_prefix": prefix}
    with pytest.raises(OptionError, match="final_model_prefix must be"):
        ImageClassificationTrainer.from_options(plain)
    with pytest.raises(OptionError, match="final_model_prefix must be"):
        trainer(final_model_prefix=prefix)


def test_n17_options_read_from_no_other_machine_and_models_say_no_place(
    trained, trainer, tmp_path
):
    """Options name no weights on other machines; a model's, no place to write to."""
    plain = trainer(workspace_path=tmp_path / "w").options()
    for weights in (r"\\host\x.h5", "//host/x.h5", "http://host/x.h5"):
        described = [plain["backbones"][0] | {"weights": weights}]
        with pytest.raises(OptionError, match="a path on this machine"):
            ImageClassificationTrainer.from_options(plain | {"backbones": described})
    ImageClassificationTrainer.from_options(plain)
    assert "workspace_path" not in trained.options
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"optimizer": {"kind": "os.system", "config": {"name": "touch canary"}}},
        {"optimizer": {"kind": "Lambda", "config": {}}},
        {"learning_rate_scheduler": {"kind": "__import__", "name": "os"}},
        {"learning_rate_scheduler": {"kind": "__class__"}},
        {
            "optimizer": {
                "kind": "SGD",
                "config": {
                    "learning_rate": {
                        "module": "os",
                        "class_name": "system",
                        "config": {"command": "touch canary"},
                    }
                },
            }
        },
    ],
    ids=range(5),
)
def test_n18_options_that_name_code_run_nothing(trainer, tmp_path, monkeypatch, odd):
    """Options that name a function, module or class of others are refused, not run."""
    monkeypatch.chdir(tmp_path)
    plain = trainer().options() | odd
    with pytest.raises(OptionError, match=next(iter(odd))):
        ImageClassificationTrainer.from_options(plain)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "odd",
    [
        *({"optimizer": None}, {"optimizer": [1]}, {"early_stopping": {"x": 1}}),
        *({"early_stopping": []}, {"epoch": {}}, {"learning_rate": [0.1]}),
        *({"weights": 5}, {"arch": "auto"}, {"seed": 1.5}, {"batch_size": True}),
    ],
    ids=repr,
)
def test_n19_options_of_another_kind_are_an_error_in_words(trainer, odd):
    """Options of a wrong type, or that there are none of, are named in one error."""
    for plain in (trainer().options() | odd, odd, [odd], json.dumps(odd)):
        with pytest.raises(OptionError) as caught:
            ImageClassificationTrainer.from_options(plain)
    with pytest.raises(OptionError, match=next(iter(odd))) as caught:
        ImageClassificationTrainer.from_options(trainer().options() | odd)
    assert len(caught.value.problems) == 1


# --- surroundings --------------------------------------------------------------------


def in_process(*arguments: str, **environment: str):
    """A Python with another environment, and what it said."""
    odd = re.compile("KERAS_|MPLCONFIG|XDG_|PYTHONPATH")
    kept = {name: os.environ[name] for name in os.environ if not odd.match(name)}
    return subprocess.run(
        [sys.executable, *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Endless:
    """A file without an end."""

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "it would be read for ever"
        return bytes(size)


@pytest.mark.parametrize("kind", ["endless", "predict", "clear"])
def test_n51_a_stdin_that_is_closed_or_endless_is_told(monkeypatch, kind):
    """Without a stdin, or with one that never ends, a command says so."""
    if kind == "endless":
        monkeypatch.setattr(opening, "MAX_BYTES", 2**20)
        with pytest.raises(ImageError, match="larger than 1,048,576 bytes"):
            compute_bottlenecks(Endless(), Tiny(), None, progress=False)
        return
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OptionError, match="there is no stdin|add --yes"):
        content_of("-") if kind == "predict" else agree_to_remove([])


@pytest.mark.parametrize(
    "options", [("-I",), ("-W", "error"), ("-X", "utf8=0"), ("-OO", "-s")], ids=str
)
def test_n57_the_command_runs_however_python_is_called(tmp_path, options):
    """Isolated, strict, in plain C: python -m carlib is the command carlib."""
    place = ("cache", "info", "--workspace", str(tmp_path / "none"))
    told = in_process(*options, "-m", "carlib", *place, LANG="C", LC_ALL="C")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("No bottlenecks are kept in")


@pytest.mark.parametrize("backend", ["torch", "jax", "\x1b[2J"], ids=ascii)
def test_n58_a_keras_for_another_backend_is_told_with_the_way_out(tmp_path, backend):
    """A keras.json with another backend is an error that says what to change."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": backend}), "utf-8")
    code = "from carlib import runtime; runtime.keras()"
    told = in_process("-c", code, KERAS_HOME=str(tmp_path))
    last = told.stderr[told.stderr.index("carlib.errors.CarlibError") :]
    assert "Expected Keras on TensorFlow" in last and "keras.json" in last
    assert last.replace("\n", "").isprintable()


def test_n62_a_home_that_cannot_be_written_fails_no_notebook(root, monkeypatch):
    """What libraries say of a home they can't write to is no notebook's failure."""
    monkeypatch.syspath_prepend(str(root / "notebooks"))
    from runner.checks import OURS

    code = "from carlib.plots.style import house_style as h\nwith h() as p: p.figure()"
    told = in_process("-c", code, HOME=f"{os.devnull}/home", MPLBACKEND="agg")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    line = "mkdir -p failed for path /x/.config/matplotlib: Permission denied"
    assert not OURS.search(line)


BOMB = gzip.compress(bytes(2**24))
ANSWERS = {
    "endless": b"200 OK\r\n\r\n" + bytes(2**21),
    "bomb": b"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
    % (len(BOMB), BOMB),
    "loop": b"302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    "file": b"302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "short": b"200 OK\r\nContent-Length: 999\r\n\r\nhalf",
    "escape": b"404 No\x1b]0;evil\x07\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_n67_a_server_that_means_harm_leaves_nothing(tmp_path, monkeypatch, kind):
    """Floods, circles, false lengths and escapes of a server end in one clear error."""

    class Answer(StreamRequestHandler):
        def handle(self):
            asked = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            answer = ANSWERS[kind]
            head = answer[: answer.index(b"\r\n\r\n") + 4]
            self.wfile.write(
                b"HTTP/1.1 " + (head if asked.startswith(b"HEAD") else answer)
            )

    monkeypatch.setattr(downloads, "PAUSES", (0.01, 0.01))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/x.zip"
        with pytest.raises(downloads.DownloadError) as caught:
            downloads.download(address, tmp_path / "x.zip", 2**20)
        server.shutdown()
    assert str(caught.value).replace("\n", "").isprintable()
    assert list(tmp_path.iterdir()) == []
