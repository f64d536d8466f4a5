"""A model that is mirrored, calibrated and unsure at times, and its pages."""

import base64
import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from carlib.app.answers import Answers
from carlib.app.html import write_html
from carlib.app.server import AppServer
from carlib.app.web import write_web
from tests.browser import Opened

READY = "html[data-ready=true]"


@pytest.fixture(scope="session")
def model(few, trainer_of):
    """Trained on four photos a class, by the embedded backbone."""
    options = {"optimizer": "lbfgs", "l2": 0.1, "refuse": 0.1, "augment": "flip"}
    return trainer_of(few, **options)


@pytest.fixture(scope="session")
def trainer_of(backbone, workspace):
    """Train on photos, with the embedded backbone at float32, as pages compute."""
    from carlib.training.trainer import ImageClassificationTrainer

    def train(photos, **options):
        given = {"early_stopping": None, "validation_set_fraction": None, "epoch": 2000}
        trainer = ImageClassificationTrainer(
            arch=backbone.at("float32"), workspace_path=workspace, **given | options
        )
        return trainer.fit(photos)

    return train


@pytest.fixture(scope="session")
def html(model, tmp_path_factory):
    """The model as one file."""
    return write_html(model, tmp_path_factory.mktemp("html") / "model.html")


@pytest.fixture(scope="session")
def html_with_photos(model, few, tmp_path_factory):
    """The same, with the features of what it was trained on."""
    return write_html(model, tmp_path_factory.mktemp("html") / "more.html", few)


@pytest.fixture(scope="session")
def web(model, tmp_path_factory):
    """The model as a folder."""
    return write_web(model, tmp_path_factory.mktemp("web") / "page")


@contextlib.contextmanager
def running(server):
    """Let a server answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(model, few):
    """The page as `carlib app` serves it."""
    with running(AppServer(Answers(model, few))) as server:
        yield server


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def files(web):
    """The address of the folder, on a web server that knows nothing of carlib."""
    handler = functools.partial(_Files, directory=web)
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def opened(browser):
    """Open a page, a file or an address, and wait until its model is ready."""
    pages = []

    def make(place, **options):
        pages.append(Shown(browser, place, **options))
        return pages[-1]

    yield make
    for each in pages:
        each.context.close()


class Shown(Opened):
    """A page that answers."""

    def __init__(self, browser, place, **options):
        super().__init__(browser, place, **options)
        self.page.wait_for_selector(READY, timeout=60_000)

    def answer(self, photo):
        """Show it a photo; return each class's probability, and whether it's unsure."""
        self.page.evaluate("document.getElementById('said').textContent = ''")
        self.page.set_input_files("#files", photo)
        self.page.wait_for_selector("#said:text-matches(': ')", timeout=30_000)
        rows = self.page.eval_on_selector_all(
            "#bars li",
            "all => all.map(each => [each.querySelector('.label').textContent,"
            " Number(each.dataset.probability)])",
        )
        return dict(rows), self.page.is_visible("#sure")

    def square(self, photo, size, interpolation):
        """The square that the page makes of an encoded photo, as a server gives it."""
        made = self.page.evaluate(
            "async ([address, photo, size, interpolation]) => {"
            " const { decoded, square } = await import(address + 'pixels.js');"
            " const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));"
            " const pixels = await decoded(new Blob([bytes]));"
            " return [...square(pixels, size, interpolation)]; }",
            [self.address, base64.b64encode(photo).decode(), size, interpolation],
        )
        return np.array(made, np.uint8).reshape(size, size, 3)
