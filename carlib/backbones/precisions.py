"""Precisions: what a backbone may be computed at, and what this machine is best at."""

import functools
from pathlib import Path

from carlib import runtime
from carlib.errors import OptionError
from carlib.messages import say

PRECISIONS = ("auto", "float32", "bfloat16", "float16", "int8")
_OF_OPENVINO = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


def resolve(precision: str) -> str:
    """Turn "auto" into what this machine computes natively; check any other name.

    Raises:
        OptionError: There is no such precision, or this machine can't compute at it.
    """
    if precision == "auto":
        return native()
    if precision not in PRECISIONS:
        raise OptionError(
            f"Expected one of {', '.join(PRECISIONS)}. Received: "
            f"precision={precision!r}"
        )
    if precision not in supported():
        raise OptionError(
            f"This machine can't compute at {precision}.",
            hint=f"It can at {', '.join(sorted(supported()))}; auto takes {native()}.",
        )
    return precision


def or_float32(precision: str) -> str:
    """Return a saved model's precision, or float32, with a word, where it can't be had.

    Raises:
        OptionError: There is no such precision.
    """
    if precision not in PRECISIONS or precision in supported():
        return resolve(precision)
    say(
        f"The model's features were computed at {precision}; this machine can't, and "
        "computes at float32: probabilities may differ in the third digit."
    )
    return "float32"


@functools.cache
def native() -> str:
    """Return the lowest precision that this machine computes in hardware.

    bfloat16 on a CPU with AVX512-BF16 or AMX, float16 on an ARM CPU that has it and on
    a GPU with tensor cores, else float32. What is only emulated is never chosen.
    """
    if runtime.gpu() is not None:
        has_tensor_cores = runtime.gpu().get("compute_capability", (0, 0)) >= (7, 0)
        return "float16" if has_tensor_cores else "float32"
    if runtime.openvino() is None:
        return "bfloat16" if _flags() & {"avx512_bf16", "amx_bf16"} else "float32"
    # OPTIMIZATION_CAPABILITIES would list what is emulated, too.
    hint = runtime.core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return _OF_OPENVINO.get(hint.to_string(), "float32")


@functools.cache
def supported() -> set[str]:
    """Return all precisions that this machine can compute at, emulated or not."""
    if runtime.gpu() is not None or runtime.openvino() is None:
        return {"float32", native()}
    able = {"BF16": "bfloat16", "FP16": "float16", "INT8": "int8"}
    listed = runtime.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {"float32", *(able[name] for name in listed if name in able)}


def _flags() -> set[str]:
    """Return what the CPU can do by Linux's account; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
