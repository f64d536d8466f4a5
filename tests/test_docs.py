"""The pages in docs do what they say: their code is taken out of them and run."""

import base64
import http.server
import json
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest

import carlib
from carlib.backbones.architectures import find

DOCS = Path(__file__).resolve().parent.parent / "docs"


def blocks(page: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(code: str) -> dict:
    names: dict = {"__name__": "page"}
    exec(compile(code, "page", "exec"), names)
    return names


@pytest.fixture
def here(trained, photos, tmp_path, monkeypatch):
    """A folder with the files that the pages name."""
    trained.save(tmp_path / "ImageModel.zip")
    shutil.copy(photos.image_path[0], tmp_path / "photo.jpg")
    (tmp_path / "exported").mkdir()
    labels = "\n".join(trained.class_names) + "\n"
    (tmp_path / "exported" / "labels.txt").write_text(labels, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def expected(trained, photos):
    return trained.predict(photos.image_path[0], progress=False).iloc[0]


def test_these_are_the_pages_and_how_many_blocks_of_code_they_have():
    assert {page.name: len(blocks(page.name)) for page in DOCS.glob("*.md")} == {
        "glossary.md": 0,
        "package.md": 4,  # which tests/test_readme.py runs
        "scaling.md": 1,
        "serving.md": 3,
        "teaching.md": 0,
    }


def test_a_program_gets_the_models_answer(here, expected, capsys):
    run(blocks("serving.md")[0])
    said = capsys.readouterr().out
    assert said.startswith(f"{expected['predicted_label']} {expected['score']}")
    assert all(name in said for name in carlib.load_model("ImageModel.zip").classes_)


def test_fastapi_serves_the_models_answer_and_says_what_is_no_photo(here, expected):
    pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    client = testclient.TestClient(run(blocks("serving.md")[1])["app"])
    head = {"Content-Type": "image/jpeg"}
    photo = Path("photo.jpg").read_bytes()
    answer = client.post("/predict", content=photo, headers=head)
    assert answer.status_code == 200
    assert answer.json() == {
        "label": expected["predicted_label"],
        "score": pytest.approx(expected["score"]),
    }
    bad = client.post("/predict", content=b"<html>", headers=head)
    assert bad.status_code == 422 and "looks like HTML" in bad.json()["detail"]


class Serving(http.server.BaseHTTPRequestHandler):
    """What TensorFlow Serving's REST answers, from a model of carlib's."""

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, question["signature_name"]))
        encoded = [base64.b64decode(each["b64"]) for each in question["instances"]]
        scores = self.server.model.predict_proba(encoded).tolist()
        body = json.dumps({"predictions": scores}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_client_of_tensorflow_serving_understands_its_answer(
    here, trained, expected, capsys
):
    with http.server.HTTPServer(("127.0.0.1", 0), Serving) as server:
        server.model, server.asked = trained, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = blocks("serving.md")[2].replace("localhost:8501", "%s:%d")
        run(code.replace("%s:%d", "127.0.0.1:" + str(server.server_port)))
        server.shutdown()
    assert server.asked == [("/v1/models/cars:predict", "serve_encoded")]
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"{expected['predicted_label']}: {expected['score']:.1%}"


def test_that_client_needs_python_alone():
    named = re.findall(
        r"^(?:import|from) ([\w, .]+?)(?: import.*)?$", blocks("serving.md")[2], re.M
    )
    modules = {
        each.strip().partition(".")[0] for line in named for each in line.split(",")
    }
    assert modules <= sys.stdlib_module_names


def test_the_hours_of_ten_million_and_a_billion_are_those_of_the_model():
    names = run(blocks("scaling.md")[0])
    page = (DOCS / "scaling.md").read_text("utf-8")
    counts = {"ten million": 10_000_000, "a billion": 1_000_000_000}
    rows = re.findall(
        r"^\| ([\w.-]+) \| (ten million|a billion) \| (.*) \|$", page, re.M
    )
    assert {arch for arch, *_ in rows} == set(names["RATE"]) and len(rows) == 6
    for arch, count, told in rows:
        foretold = names["run_of"](arch, counts[count], 100).values()
        shown = [float(cell.replace(",", "")) for cell in told.split(" | ")]
        assert shown == pytest.approx(list(foretold), rel=0.01, abs=0.005)


def test_the_model_knows_the_backbones_numbers_of_features():
    names = run(blocks("scaling.md")[0])
    numbers = {arch: find(arch).n_features for arch in names["NUMBERS"]}
    assert names["NUMBERS"] == numbers
