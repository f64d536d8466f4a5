"""What the benchmarks found, as tables to read and a figure to look at."""

import os
import platform
import statistics
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

NAMES = {
    "carlib": "carlib",
    "notebook": "notebook",
    "tf.data": "tf.data, tuned",
    "openvino": "OpenVINO, decoded before",
    "onnxruntime": "ONNX Runtime, decoded before",
    "again": "carlib, network kept",
}


def differences(features: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Compare features with those they should be, photo by photo.

    Returns:
        largest, median: the norm of the difference, relative to the reference's norm;
        cosine: the least.
    """
    norms = np.linalg.norm(reference, axis=1)
    apart = np.linalg.norm(features - reference, axis=1) / norms
    products = (features * reference).sum(axis=1)
    cosines = products / norms / np.linalg.norm(features, axis=1)
    return {
        "largest": float(apart.max()),
        "median": float(np.median(apart)),
        "cosine": float(cosines.min()),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells in aligned columns, numbers to the right, as Markdown has it."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(cells, widths) for cells in (header, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([first, *others])} |"


def ratio(found: dict, way: str) -> float:
    """Return how many times as fast carlib is: the median over the rounds."""
    pairs = zip(found["carlib"]["speeds"], found[way]["speeds"], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def speed_table(found: dict) -> str:
    """Describe the ways of one architecture, each in a row."""
    header = ["way", "images/s", "least … most", "carlib is", "1st feature, s"]
    header += ["features off: median", "most", "least cosine"]
    return table(header, [_speed_row(found, way) for way in found])


def _speed_row(found: dict, way: str) -> list[str]:
    own = found[way]
    first = f"{statistics.median(own['first_features']):.1f}"
    if not own["speeds"]:
        return [NAMES[way], "", "", "", first, "", "", ""]
    speeds = own["speeds"]
    return [
        NAMES[way],
        f"{statistics.median(speeds):.1f}",
        f"{min(speeds):.1f} … {max(speeds):.1f}",
        f"{ratio(found, way):.2f} ×" if "carlib" in found else "",
        first,
        f"{own['median']:.3%}",
        f"{own['largest']:.3%}",
        f"{own['cosine']:.6f}",
    ]


def large_table(found: dict) -> str:
    """Describe what decoding at a reduced scale saves and changes, by architecture."""
    header = ["12 megapixels, to", "in full, ms", "reduced, ms", "as fast"]
    header += ["pixels off: mean", "most", "features off: median", "most"]
    header += ["least cosine"]
    return table(header, [_large_row(arch, own) for arch, own in found.items()])


def _large_row(arch: str, own: dict) -> list[str]:
    return [
        f"{arch}, {own['size']}",
        f"{1000 / statistics.median(own['full']):.0f}",
        f"{1000 / statistics.median(own['reduced']):.0f}",
        f"{own['ratio']:.2f} ×",
        f"{own['mean_pixel']:.2f}",
        f"{own['largest_pixel']}",
        f"{own['median']:.3%}",
        f"{own['largest']:.3%}",
        f"{own['cosine']:.6f}",
    ]


def machine() -> dict:
    """Say what was measured on, and with which versions."""
    names = ("keras", "tensorflow", "openvino", "onnxruntime", "pillow", "numpy")
    return {
        "chip": _chip(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in names},
    }


def _chip() -> str:
    """Return the chip's name, and whether it computes bfloat16, as far as known."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in text.splitlines())
    told = {name.strip(): value.strip() for name, _, value in pairs}
    extras = {"avx512_bf16", "amx_bf16", "bf16"} & set(told.get("flags", "").split())
    return ", ".join([told.get("model name", platform.machine()), *sorted(extras)])


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def draw(archs: dict[str, dict], path: str) -> None:
    """Draw the speeds as bars, an architecture a panel, and save them as a picture."""
    from carlib.plots.style import house_style

    height = 0.9 + sum(0.7 + 0.34 * len(_timed(found)) for found in archs.values())
    with house_style() as plt:
        ratios = [len(_timed(found)) + 1.5 for found in archs.values()]
        figure, panels = plt.subplots(
            len(archs),
            1,
            figsize=(8, height),
            squeeze=False,
            gridspec_kw={"height_ratios": ratios},
        )
        for panel, (arch, found) in zip(panels[:, 0], archs.items(), strict=True):
            _bars(panel, found)
            panel.set_title(arch)
        panels[-1, 0].set_xlabel("Images a second: median, and from least to most")
        figure.savefig(path)
        plt.close(figure)


def _timed(found: dict) -> list[str]:
    return [way for way in found if found[way]["speeds"]]


def _bars(ax, found: dict) -> None:
    from carlib.plots.style import FIRST, INK, PALE

    ways = _timed(found)
    speeds = [found[way]["speeds"] for way in ways]
    middle = [statistics.median(values) for values in speeds]
    reach = [[m - min(v), max(v) - m] for m, v in zip(middle, speeds, strict=True)]
    bars = ax.barh(
        [NAMES[way] for way in ways],
        middle,
        0.7,
        xerr=np.array(reach).T,
        color=[FIRST if way == "carlib" else PALE for way in ways],
        error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
    )
    ax.bar_label(bars, [_label(found, way) for way in ways], padding=6, fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.3)
    ax.tick_params(axis="y", length=0)


def _label(found: dict, way: str) -> str:
    speed = f"{statistics.median(found[way]['speeds']):.3g}"
    if way == "carlib" or "carlib" not in found:
        return speed
    return f"{speed}  (carlib {ratio(found, way):.2f} ×)"
