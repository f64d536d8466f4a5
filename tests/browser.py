"""Pages in headless Chromium, and what they ask for."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = "chromium", "chromium-browser", "google-chrome"


@contextlib.contextmanager
def chromium() -> Iterator:
    """Chromium, the system's or playwright's own; a test is skipped without one."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=path)
        except playwright.Error as error:
            pytest.skip(f"Chromium is not here: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


class Opened:
    """A page that is open, and what happened on it.

    Attributes:
        page: playwright's.
        asked: The addresses that it asked for, itself and data left out.
        errors: What went wrong in its scripts, or was kept from running.
    """

    def __init__(self, browser, path: Path | str, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.asked, self.errors = [], []
        self.page.on("request", self._ask)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text))
        self.address = path if isinstance(path, str) else path.resolve().as_uri()
        self.page.goto(self.address)

    def _ask(self, request):
        inside = request.url.startswith(("data:", "blob:"))
        if request.url != self.address and not inside:
            self.asked.append(request.url)

    def violations(self) -> list[str]:
        """What axe finds wrong for people who can't see, hear or point."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        nodes = [(each["id"], node["html"]) for each in found for node in each["nodes"]]
        return [f"{kind}: {html}" for kind, html in nodes]
