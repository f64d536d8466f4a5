"""Fuzz the readers of foreign bytes: index, image, zip, model, checkpoint.

Each reader returns what it documents, or raises the error that it documents, within 10
seconds and 1 GB. Anything else is a finding, whose input is saved, cut down where that
can be done. Guided by coverage where the package `atheris` can be imported, else by
what the readers answer.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import logging
import mmap
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
READERS = ("index", "image", "zip", "model", "checkpoint")
SECONDS, MEMORY = 10, 1 << 30
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what getrusage says
ROOM = 1 << 20  # bytes of an input on the board
HEAD = struct.Struct("<QdQ")  # inputs read, since when the next is (0: none), its size
EXAMPLES = """examples:
  python fuzz/fuzz.py                              20,000 inputs a reader
  python fuzz/fuzz.py index zip --runs 1000000     more, for two of them
  python fuzz/fuzz.py image --minutes 5 --seed 7   others, for five minutes
"""


class Job(NamedTuple):
    """What a child is to do, and where."""

    reader: str
    runs: int
    seed: int
    minutes: float
    engine: str
    found: str
    since: float  # when the run began: what older ones found is another matter
    room: str = ""


def main() -> int:
    options = _options()
    found = Path(options.found).resolve()
    found.mkdir(parents=True, exist_ok=True)
    findings: set[str] = set()
    for reader in dict.fromkeys(options.readers or READERS):
        job = (reader, options.runs, options.seed, options.minutes, options.engine)
        line, names = _watch(Job(*job, str(found), time.time()))
        places = [f"  {found / name}" for name in sorted(names)]
        print(line, *places, sep="\n", flush=True)
        findings |= names
    print(f"{len(findings)} findings")
    return 1 if findings else 0


def _options() -> argparse.Namespace:
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "readers",
        nargs="*",
        metavar="reader",
        help=f"{', '.join(READERS)}; default: all",
    )
    parser.add_argument("--runs", type=int, default=20_000, help="inputs a reader")
    parser.add_argument("--seed", type=int, default=1, help="another one: other inputs")
    parser.add_argument("--minutes", type=float, default=10, help="at most, a reader")
    parser.add_argument("--found", default="build/fuzz", help="folder for findings")
    parser.add_argument(
        "--engine",
        choices=("atheris", "own"),
        default="atheris" if has_atheris else "own",
        help="what makes the inputs; default here: %(default)s",
    )
    options = parser.parse_args()
    unknown = set(options.readers) - set(READERS)
    if unknown or options.runs < 1 or not options.minutes > 0:
        parser.error(f"expected readers of {READERS}, runs ≥ 1 and minutes > 0")
    return options


# --- The parent: starts a child, watches what it reads, starts another when it's gone.


def _watch(job: Job) -> tuple[str, set[str]]:
    """Fuzz one reader to the end of its runs or time; return a line, and findings."""
    started, left, done, children = time.monotonic(), job.minutes, 0, 0
    ram = "/dev/shm" if Path("/dev/shm").is_dir() else None
    while left > 0 and done < job.runs:
        seed = job.seed + 1_000_003 * children
        part = job._replace(runs=job.runs - done, seed=seed, minutes=left)
        with tempfile.TemporaryDirectory(dir=ram) as room:
            count, code = _child(part._replace(room=room))
        done, children = done + count, children + 1
        if code in (1, 2):
            sys.exit(f"{job.reader}: the fuzzer itself fails; see above")
        left = job.minutes - (time.monotonic() - started) / 60
    seconds, names = time.monotonic() - started, _found(job)
    line = f"{job.reader:10} {done:>10,} inputs {done / seconds:>8,.0f}/s"
    return f"{line} {len(names):>3} findings  ({job.engine})", names


def _found(job: Job) -> set[str]:
    """Return the names of what this run has found in this reader."""
    paths = [p for p in Path(job.found).glob(f"{job.reader}-*") if p.suffix != ".txt"]
    return {path.name for path in paths if path.stat().st_mtime >= job.since}


def _kinds(job: Job) -> set[str]:
    return {name.split("-")[1] for name in _found(job)}


def _child(job: Job) -> tuple[int, int]:
    """Run one child; end it if an input takes too long, or the time is over."""
    board = Path(job.room, "board")
    board.write_bytes(bytes(HEAD.size + ROOM))
    command = [sys.executable, __file__, "--child", json.dumps(job)]
    log = Path(job.room, "log")
    with log.open("wb") as output, board.open("rb", 0) as shown:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
        end = time.monotonic() + job.minutes * 60 + 60
        why = ""
        while process.poll() is None and not why:
            time.sleep(0.2)
            since = HEAD.unpack(_read(shown, HEAD.size))[1]
            if since and time.monotonic() - since > SECONDS:
                why = "hang"
            elif time.monotonic() > end:
                why = "over"
        if why:
            process.kill()
            process.wait()
        count, since, size = HEAD.unpack(_read(shown, HEAD.size))
        data = shown.read(size)
    if since and why != "over" and process.returncode not in (0, 1, 2, 3):
        kind = why or f"crash{abs(process.returncode)}"
        if kind not in _kinds(job):
            _save(job, kind, log.read_text("utf-8", "replace")[-3000:], data)
    if process.returncode in (1, 2):
        print(log.read_text("utf-8", "replace")[-3000:], file=sys.stderr)
    return count, process.returncode


def _read(file, size: int) -> bytes:
    file.seek(0)
    return file.read(size)


def _save(job: Job, kind: str, trace: str, data: bytes) -> None:
    name = hashlib.sha256(data).hexdigest()[:8]
    path = Path(job.found, f"{job.reader}-{kind}-{name}")
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(trace, "utf-8", "backslashreplace")


# --- The child: reads input after input.


class Child:
    """Reads inputs, keeps the board up to date, saves findings, each kind once."""

    def __init__(self, job: Job, reader: tuple[Callable, type[Exception]]):
        self.job, self.room = job, Path(job.room)
        self._furnish()
        self.read, self.documented = reader
        self.seen = _kinds(job)
        with Path(job.room, "board").open("r+b") as file:
            self.board = mmap.mmap(file.fileno(), 0)
        self.asked, self.count, self.end = False, 0, time.monotonic() + job.minutes * 60

    def _furnish(self) -> None:
        """Lay out a data folder with photos, and with what leads out or nowhere."""
        folder = self.room / "data"
        (folder / "image").mkdir(parents=True)
        for number in range(1, 7):
            (folder / f"image/{number:03}.jpeg").write_bytes(bytes([number]))
        for name, target in (("loop", "loop"), ("out", "/etc/hostname"), ("link", "/")):
            (folder / name).symlink_to(target)
        os.mkfifo(folder / "fifo")

    def __call__(self, data: bytes) -> str:
        """Read one input; return in which way it was answered."""
        if self.count >= self.job.runs or time.monotonic() > self.end:
            os._exit(0)
        data = bytes(data[:ROOM])
        HEAD.pack_into(self.board, 0, self.count, time.monotonic(), len(data))
        self.board[HEAD.size : HEAD.size + len(data)] = data
        kind, answer = self.answer(data)
        if kind and kind not in self.seen:
            self.seen.add(kind)
            HEAD.pack_into(self.board, 0, self.count, 0, 0)
            _save(self.job, kind, answer, self.smallest(data, kind))
        self.count += 1
        HEAD.pack_into(self.board, 0, self.count, 0, 0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT > MEMORY:
            if "memory" not in self.seen:
                _save(self.job, "memory", "It took more than 1 GB.", data)
            os._exit(3)
        return answer

    def answer(self, data: bytes) -> tuple[str, str]:
        """Return the kind of finding, or "", and what the reader answered."""
        self.asked = False
        try:
            self.read(data)
            return ("network", "It asked for it.") if self.asked else ("", "read")
        except self.documented as error:
            text = str(error)
            raw = [c for c in text if c != "\n" and unicodedata.category(c) in CONTROLS]
            return ("raw" if raw else ""), text
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if f"{os.sep}carlib{os.sep}" in f.filename]
            names = (type(error).__name__, (ours or frames)[-1].name, frames[-1].name)
            kind = re.sub(r"\W", "", "_".join(names))
            return kind, "".join(traceback.format_exception(error, limit=-20))

    def no_network(self, *_: object, **__: object) -> None:
        """Stand in for what reaches other machines, which no reader needs."""
        self.asked = True
        raise OSError("no network here")

    def smallest(self, data: bytes, kind: str) -> bytes:
        """Leave out what a finding doesn't need, for some seconds at most."""
        size, end = len(data) // 2, time.monotonic() + SECONDS
        while size and time.monotonic() < end:
            for start in range(0, len(data), size):
                shorter = data[:start] + data[start + size :]
                if time.monotonic() < end and self.answer(shorter)[0] == kind:
                    data = shorter
                    break
            else:
                size //= 2
        return data


CONTROLS = {"Cc", "Cs", "Zl", "Zp"}


def _run_child(job: Job) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    with _instrumented(job.engine):
        from corpus import SEEDS
        from readers import MAKERS

        child = Child(job, MAKERS[job.reader](Path(job.room)))
    logging.getLogger("carlib").setLevel(logging.CRITICAL)
    socket.getaddrinfo = socket.socket.connect = child.no_network
    with contextlib.suppress(ValueError, OSError):  # not everywhere
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    seeds = SEEDS[job.reader]()
    answers = [child.answer(seed) for seed in seeds]
    if ("", "read") not in answers or any(kind for kind, _ in answers):
        print("The seeds themselves:", *answers, sep="\n", flush=True)
        os._exit(2)
    (_by_atheris if job.engine == "atheris" else _by_answers)(child, seeds)


@contextlib.contextmanager
def _instrumented(engine: str) -> Iterator[None]:
    if engine == "own":
        yield
        return
    import atheris

    with atheris.instrument_imports(include=["carlib", "zipfile", "csv", "PIL"]):
        yield


def _by_answers(child: Child, seeds: list[bytes]) -> None:
    """Change inputs at random; keep those that are answered in a new way."""
    from corpus import mutate, splice

    rng, inputs, answers = random.Random(child.job.seed), list(seeds), set()
    while True:
        data = rng.choice(seeds if rng.random() < 0.5 else inputs)
        if rng.random() < 0.1:
            data = splice(data, rng.choice(inputs), rng)
        data = mutate(child.job.reader, data, rng)
        answer = re.sub(r"'.*?'|\".*?\"|[^a-zA-Z]", "", child(data))[:200]
        if answer not in answers and len(inputs) < 1_000:
            answers.add(answer)
            inputs.append(data)


def _by_atheris(child: Child, seeds: list[bytes]) -> None:
    import atheris
    from corpus import MOST, mutate

    folder = Path(child.job.room, "data", "seeds")
    folder.mkdir()
    for number, seed in enumerate(seeds):
        (folder / str(number)).write_bytes(seed)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        by_itself = rng.random() < 0.5
        new = atheris.Mutate(data, most) if by_itself else mutate(reader, data, rng)
        return bytes(new[:most])

    reader = child.job.reader
    flags = [f"-seed={child.job.seed}", f"-max_len={MOST}", "-rss_limit_mb=0"]
    flags += ["-runs=-1", "-timeout=600", "-verbosity=0", str(folder)]
    atheris.Setup([sys.argv[0], *flags], child, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _run_child(Job(*json.loads(sys.argv[2])))
    else:
        sys.exit(main())
