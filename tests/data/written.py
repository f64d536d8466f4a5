"""An index as somebody writes it."""

from pathlib import Path

HEADER = "image,class,subset\n"


PLAIN = HEADER + "image/1.jpeg,door_dent,T\nimage/2.jpeg,unknown,V\n"


def write(folder: Path, text: str | bytes) -> Path:
    data = text.encode("utf-8") if isinstance(text, str) else text
    (folder / "index.csv").write_bytes(data)
    return folder


def put(root: Path, files: dict[str, bytes]) -> Path:
    """Write files, by their paths, into a folder that is made for them."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root
