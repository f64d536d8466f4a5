"""The command `carlib app`; the server itself: tests/app/test_server.py."""

import webbrowser

import pytest
from click.testing import CliRunner

from carlib.app.server import AppServer
from carlib.cli.main import main


@pytest.fixture
def saved(trained, tmp_path):
    return str(trained.save(tmp_path / "ImageModel.zip"))


@pytest.fixture
def asked(monkeypatch):
    """What it did, with a server that ends at once."""
    seen = {"opened": []}

    def end(self):
        seen["facts"], seen["port"] = self.facts, self.server_port
        raise KeyboardInterrupt

    monkeypatch.setattr(AppServer, "serve_forever", end)
    monkeypatch.setattr(webbrowser, "open", seen["opened"].append)
    return seen


def test_it_opens_a_browser_on_the_page_and_ctrl_c_ends_it(saved, asked):
    run = CliRunner().invoke(main, ["app", saved, "--port", "0"])
    assert asked["opened"] == [f"http://127.0.0.1:{asked['port']}/"]
    assert f"The page is at {asked['opened'][0]}" in run.stdout
    assert run.exit_code == 130
    assert asked["facts"]["shows_nearest"] is False


def test_it_can_be_told_of_the_photos_and_not_to_open(saved, sample, asked, workspace):
    options = ["--photos", str(sample), "--no-open", "--port", "0"]
    CliRunner().invoke(main, ["app", saved, *options, "--workspace", str(workspace)])
    assert asked["opened"] == []
    assert asked["facts"]["shows_nearest"] is True


def test_a_model_that_is_none_is_told_in_words(tmp_path):
    path = tmp_path / "m.zip"
    path.write_bytes(b"no zip")
    run = CliRunner().invoke(main, ["app", str(path)])
    assert run.exit_code == 1 and "can't be loaded" in run.stderr
