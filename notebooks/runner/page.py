"""An executed notebook as somebody else can read it: moved, mailed, without network."""

import base64
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode


def tidy(notebook: NotebookNode, path: Path, executed: Path) -> NotebookNode:
    """Drop what is of no use on another day or machine.

    Of a progress bar only what it left at its end stays, as in JupyterLab. Papermill's
    notes hold absolute paths. Pictures go into the notebook, so that it can be moved.
    """
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    notebook.metadata.papermill.update(input_path=path.name, output_path=executed.name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            _attach_pictures(cell, path.parent / "images")
    return notebook


def _attach_pictures(cell: NotebookNode, folder: Path) -> None:
    for name in re.findall(r"\]\(images/([^)]+\.svg)\)", cell.source):
        picture = base64.b64encode((folder / name).read_bytes()).decode("ascii")
        cell.setdefault("attachments", {})[name] = {"image/svg+xml": picture}
        cell.source = cell.source.replace(f"](images/{name})", f"](attachment:{name})")


def html(notebook: NotebookNode) -> str:
    """Return a notebook as an HTML page that fetches nothing from anywhere."""
    from nbconvert import HTMLExporter

    copy = nbformat.from_dict(notebook)
    copy.metadata.title = copy.cells[0].source.partition("\n")[0].lstrip("# ")
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", cell.source)
    scripts = ("require_js", "mathjax", "mermaid_js", "mermaid_layout_elk_js")
    nowhere = {f"{name}_url": "data:," for name in scripts}
    return HTMLExporter(**nowhere).from_notebook_node(copy)[0]
