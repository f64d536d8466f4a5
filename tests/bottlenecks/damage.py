"""What can happen to a file of the cache."""

import contextlib

from carlib.bottlenecks import shard_file

N_PHOTOS = 24


DAMAGES = {
    "cut": lambda data: data[:-40],
    "cut in a row": lambda data: data[:-1],
    "longer": lambda data: data + data[-40:],
    "zeroed": lambda data: bytes(len(data)),
    "header only": lambda data: data[:128],
    "bit in the header": lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
    "bit in a row": lambda data: data[:-3] + bytes([data[-3] ^ 64]) + data[-2:],
}


@contextlib.contextmanager
def not_to_be_opened(shard, monkeypatch):
    """Let a shard be one that can't be opened while the block runs."""
    opened = shard_file.open_file

    def refused(path):
        if path == shard:
            raise OSError(24, "Too many open files")
        return opened(path)

    with monkeypatch.context() as patch:
        patch.setattr(shard_file, "open_file", refused)
        yield
