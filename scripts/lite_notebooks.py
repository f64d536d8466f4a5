"""The notebooks as a browser has them: what it can't do is told, or was made before."""

import base64
import re
from pathlib import Path

import nbformat

SHIPPED = "02_load_data", "04_train", "05_evaluate", "08_improve_model"
KERNEL = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
LINK = re.compile(r"\[([^\]]*)\]\((\d\d_\w+)\.ipynb\)")
MAPS = "carlib.class_maps("
ABOUT = """\
> **In a browser.** Python itself runs on this page. The first cell that imports
> something takes some twenty seconds. Your answers are kept in this browser alone, so
> save a copy by *File → Download*. A notebook that you are done with still takes memory
> until you choose *Kernel → Shut Down Kernel*. The photos are the drawn sample, and
> what the backbone makes of them was brought along: a browser has no network to
> ask.{more}
"""
MORE = {
    "02_load_data": "",
    "04_train": """
>
> The head is trained by `"lbfgs"`, which goes straight to the optimum. So a line is an
> iteration over all photos: there are no batches, there is no learning rate, and in
> exercise 2 the answer is one step. All features are in the cache from the first time
> on.""",
    "05_evaluate": " One picture was made before.",
    "08_improve_model": """
>
> The cells that train many heads take a minute or two each. How fast a backbone is
> can't be measured here.""",
}
LAY = """import lite_features

lite_features.lay(WORKSPACE)  # what the backbone makes of the photos
"""
MADE_BEFORE = """\
![For each of three mistakes: the photo, and what speaks for and against the answer](\
attachment:class_maps.png)

*This picture was made before: it takes the backbone itself. On a computer two lines
make it:*

```python
{code}
```
"""


def for_browser(path: Path, picture: bytes) -> nbformat.NotebookNode:
    """Return a notebook for JupyterLite.

    Args:
        path: The notebook.
        picture: The class maps of notebook 05, a PNG.
    """
    notebook = nbformat.read(path, 4)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    cells = [changed(cell, picture) for cell in notebook.cells]
    told = [nbformat.v4.new_markdown_cell(ABOUT.format(more=MORE[path.stem]))]
    if path.stem != SHIPPED[0]:
        told.append(nbformat.v4.new_code_cell(LAY.strip()))
    notebook.cells = [*cells[:2], *told, *cells[2:]]  # its settings stand first
    return notebook


def changed(cell: nbformat.NotebookNode, picture: bytes) -> nbformat.NotebookNode:
    """Return a cell as it can be there."""
    if cell.cell_type == "markdown":
        cell.source = LINK.sub(_linked, cell.source)
    elif MAPS in cell.source:
        png = base64.b64encode(picture).decode("ascii")
        return nbformat.v4.new_markdown_cell(
            MADE_BEFORE.format(code=cell.source),
            id=cell.id,
            attachments={"class_maps.png": {"image/png": png}},
        )
    elif "parameters" in cell.metadata.get("tags", []):
        cell.source = cell.source.replace('DATA = "auto"', 'DATA = "sample"')
    return cell


def _linked(link: re.Match[str]) -> str:
    """Return a link, or its words alone where the notebook isn't on the site."""
    return link[0] if link[2] in SHIPPED else link[1]
