"""JupyterLab as a learner has it: in a browser, with a kernel, on a folder's copy."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

SECONDS = 120  # that a notebook may take
READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    const session = widget?.context?.sessionContext;
    return session?.isReady && session.session?.kernel?.status === "idle"; }"""
# Of each output the width that it has, and the one that it would need.
CLIPPED = """all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(
    each => `${each.scrollWidth} px in ${each.clientWidth}: ` +
        each.textContent.slice(0, 60))"""


@contextlib.contextmanager
def jupyterlab(root: Path, home: Path) -> Iterator[str]:
    """Run JupyterLab on a folder; yield its address, with the token.

    Args:
        root: The folder that it shows.
        home: Where its settings and whatever else it writes lie.
    """
    settings = home / "settings" / "@jupyterlab"
    tracker = settings / "notebook-extension" / "tracker.jupyterlab-settings"
    news = settings / "apputils-extension" / "notification.jupyterlab-settings"
    for path, value in [
        (tracker, {"windowingMode": "none"}),  # cells out of sight are there, too
        (news, {"fetchNews": "false", "checkForUpdates": False}),
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), "utf-8")
    port, command = free_port(), [sys.executable, "-m", "jupyterlab", "--no-browser"]
    options = {
        "ServerApp.port": port,
        "ServerApp.root_dir": root,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "learner",
        "LabApp.expose_app_in_browser": True,
    }
    command += [f"--{name}={value}" for name, value in options.items()]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(home / name) for name in folders}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    for name in ("PYTEST_CURRENT_TEST", "MPLBACKEND"):  # a learner has neither
        environment.pop(name, None)
    with (home / "log.txt").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token=learner&reset"
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """A notebook that is open in JupyterLab.

    Attributes:
        page: playwright's.
        path: The notebook's file.
    """

    def __init__(self, browser, address: str, path: Path, size=(1024, 768), dark=False):
        width, height = size
        viewport = {"width": width, "height": height}
        self.path, self.page = path, browser.new_page(viewport=viewport)
        self._arrive(address.format(path.name))
        self.command("application:toggle-left-area")
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.command("apputils:change-theme", {"theme": theme})

    def _arrive(self, address: str) -> None:
        for _ in range(100):
            try:
                self.page.goto(address)
                break
            except Exception:  # the server isn't there yet
                self.page.wait_for_timeout(200)
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        self.wait()

    def command(self, name: str, arguments: dict | None = None) -> None:
        """Run one of JupyterLab's commands, as its menus do, to its end."""
        self.page.evaluate(
            "async ([name, given]) => {"
            " await window.jupyterapp.commands.execute(name, given); }",
            [name, arguments or {}],
        )

    def wait(self) -> None:
        """Wait until the kernel is ready for more."""
        self.page.wait_for_function(READY, timeout=SECONDS * 1000)

    def run_all(self) -> None:
        """Run all cells."""
        self.command("notebook:run-all-cells")
        self.wait()

    def step_through(self) -> None:
        """Run one cell after another, as Shift+Enter does."""
        cells = self.page.evaluate(
            "() => { const all = window.jupyterapp.shell.currentWidget.content;"
            " all.activeCellIndex = 0; return all.widgets.length; }"
        )
        for _ in range(cells):
            self.command("notebook:run-cell-and-select-next")
        self.wait()

    def restart(self) -> None:
        """Restart the kernel, and forget what ran."""
        name = "notebook:restart-clear-output"  # it ends when the dialog is answered
        self.page.evaluate(
            "name => { window.jupyterapp.commands.execute(name); }", name
        )
        self.page.click(".jp-Dialog .jp-mod-accept")
        self.page.wait_for_timeout(500)
        self.wait()

    def saved(self) -> nbformat.NotebookNode:
        """Save the notebook, and return what the file holds."""
        before = self.path.stat().st_mtime_ns
        self.command("docmanager:save")
        for _ in range(100):
            if self.path.stat().st_mtime_ns != before:
                break
            self.page.wait_for_timeout(100)
        return nbformat.read(self.path, 4)

    def clipped(self) -> list[str]:
        """What stands in outputs and is wider than they are."""
        return self.page.eval_on_selector_all(".jp-OutputArea-output", CLIPPED)

    def picture(self, path: Path) -> None:
        """Take a picture of the whole notebook."""
        self.page.evaluate(
            "() => { const all = document.querySelector('.jp-WindowedPanel-outer');"
            " all.scrollTop = 0; return all.scrollHeight; }"
        )
        height = self.page.evaluate(
            "document.querySelector('.jp-WindowedPanel-outer').scrollHeight"
        )
        width = self.page.viewport_size["width"]
        self.page.set_viewport_size(
            {"width": width, "height": min(height + 150, 16000)}
        )
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=path)

    def close(self) -> None:
        self.page.close()


def errors(notebook: nbformat.NotebookNode) -> list[str]:
    """What went wrong in the cells of a notebook that ran."""
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]


def in_order(notebook: nbformat.NotebookNode) -> bool:
    """Whether all code cells ran, from the top to the bottom."""
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source]
    counts = [c.execution_count for c in code]  # Shift+Enter at the end adds a cell
    return None not in counts and counts == sorted(counts)


def pictures(notebook: nbformat.NotebookNode) -> int:
    """How many pictures a notebook shows."""
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return sum("image/png" in o.get("data", {}) for o in outputs)


def has_widgets(notebook: nbformat.NotebookNode) -> bool:
    """Whether something in it is an error tomorrow: a widget without its kernel."""
    return bool(re.search("widget-view", nbformat.writes(notebook)))
