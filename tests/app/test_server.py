"""The server: who may ask, what it answers, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from carlib.app.server import AppServer
from carlib.data.opening import MAX_BYTES
from carlib.errors import OutputError


def ask(app, method="GET", path="/model", body=None, **headers):
    """Ask the server; return the status, the headers and what it said."""
    connection = HTTPConnection("127.0.0.1", app.server_port, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, response.headers, data


def said(answer):
    return json.loads(answer[2])


def test_it_answers_as_the_model_does(app, model, photos):
    path = photos.image_path[0]
    found = said(ask(app, "POST", "/answer", Path(path).read_bytes()))
    row = model.predict([path], progress=False).iloc[0]
    shares = {each["label"]: each["probability"] for each in found["ranked"]}
    assert shares == {name: row[name] for name in model.class_names}
    assert found["ranked"][0]["label"] == row.predicted_label
    assert found["why"] == row.why
    assert (found["map"]["height"], found["map"]["width"]) == (7, 7)


def test_the_training_photos_most_like_it_come_with_their_pictures(app, few):
    content = Path(few.image_path[0]).read_bytes()
    near = said(ask(app, "POST", "/nearest", content))["photos"]
    assert near[0]["label"] == few.damage_class[0]
    assert len(near) == 5 and near[0]["distance"] < 1e-4
    assert near[0]["src"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_and_other_names_are_turned_away(app, headers):
    for method, path in (("GET", "/"), ("GET", "/model"), ("POST", "/answer")):
        status, _, data = ask(app, method, path, b"x", **headers)
        assert status == 403 and b"own page" in data


def test_its_own_page_may_ask(app):
    own = f"http://127.0.0.1:{app.server_port}"
    assert ask(app, Origin=own, **{"Sec-Fetch-Site": "same-origin"})[0] == 200
    assert ask(app, Host=f"localhost:{app.server_port}")[0] == 200


def test_only_this_computer_reaches_it(app):
    assert app.server_address[0] == "127.0.0.1"


def test_what_is_too_large_is_refused_before_it_is_read(app):
    headers = {"Content-Length": str(MAX_BYTES + 1)}
    status, _, data = ask(app, "POST", "/answer", None, **headers)
    assert status == 413 and b"512 MiB" in data
    for length in ("-1", "x", "1e3", ""):
        assert ask(app, "POST", "/answer", None, **{"Content-Length": length})[0] == 411


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The photo is empty."),
        (b"hello", "The photo is not an image of a known format."),
        (b"%PDF-1.7", "The photo is a PDF or a zip."),
        (b"\xff\xd8\xff no photo", "The photo is cut off or damaged"),
    ],
)
def test_a_bad_file_is_answered_in_words(app, body, words):
    assert said(ask(app, "POST", "/answer", body))["error"].startswith(words)


def test_nothing_but_the_page_is_served(app):
    for path in ("/../setup.cfg", "/page/main.js", "/main.js?x", "/answer"):
        assert ask(app, path=path)[0] == 404
    status, headers, _ = ask(app, path="/main.js")
    assert status == 200 and headers["Content-Type"].startswith("text/javascript")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_several_people_get_their_own_answers_while_one_is_slow(app, photos):
    slow = socket.create_connection(("127.0.0.1", app.server_port))
    slow.sendall(b"POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n")
    contents = [Path(path).read_bytes() for path in photos.image_path[:6]]
    alone = [said(ask(app, "POST", "/answer", each)) for each in contents]
    with ThreadPoolExecutor(6) as pool:
        together = list(
            pool.map(lambda each: said(ask(app, "POST", "/answer", each)), contents)
        )
    slow.close()
    assert together == alone


def test_a_port_that_is_taken_is_said_in_words(app):
    class Nobody:
        answer = nearest = None

        def facts(self):
            return {}

    with pytest.raises(OutputError, match="can't be had"):
        AppServer(Nobody(), app.server_port)


@pytest.mark.slow
def test_ctrl_c_ends_it(model, tmp_path):
    path = model.save(tmp_path / "m.zip")
    command = [sys.executable, "-m", "carlib", "app", str(path), "--port", "0"]
    run = subprocess.Popen(
        [*command, "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    line = b""
    while b"The page is at http://127.0.0.1:" not in line:
        line = run.stdout.readline()
        assert line, "it ended"
    run.send_signal(signal.SIGINT)
    begin = time.monotonic()
    assert run.wait(20) == 130 and time.monotonic() - begin < 10
    assert b"Stopped." in run.stdout.read()
    run.stdout.close()
