"""How much of the time a GPU works: NVIDIA's own count, sampled beside the work."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

ASK = "nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits -lms 100"


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """Yield a list that has, at the block's end, the share of each tenth of a second.

    It stays empty where no `nvidia-smi` is.
    """
    shares: list[float] = []
    if shutil.which("nvidia-smi") is None:
        yield shares
        return
    with subprocess.Popen(ASK.split(), stdout=subprocess.PIPE, text=True) as sampler:
        try:
            yield shares
        finally:
            sampler.terminate()
            said, _ = sampler.communicate()
            shares += [int(x) / 100 for x in said.split() if x.isdigit()]
