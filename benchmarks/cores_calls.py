"""Photos through carlib's readers and loop, with an engine that takes no time."""

import os
import time
from pathlib import Path

from calls import Trivial
from processes import answer


def run(job: dict) -> dict:
    """Compute the features of tiny photos, each of which takes some time to read.

    Args:
        job: folder (of photos), threads, seconds (that a photo takes to read, without
            the GIL, as decoding does; 0: it is read and decoded for real alone).

    Returns:
        seconds; photos.
    """
    os.environ["CARLIB_THREADS"] = str(job["threads"])
    from carlib.bottlenecks.extract import extract
    from carlib.data import photos
    from carlib.data.sources import as_sources

    real = photos.read_content

    def slow(source):
        time.sleep(job["seconds"])
        return real(source)

    if job["seconds"]:
        photos.read_content = slow
    sources = as_sources(sorted(Path(job["folder"]).iterdir()))
    extract(sources[:1], [Trivial(1280)], None, progress=False)
    began = time.perf_counter()
    found = extract(sources, [Trivial(1280)], None, progress=False)
    return {"seconds": time.perf_counter() - began, "photos": found.n_computed}


if __name__ == "__main__":
    answer(run)
