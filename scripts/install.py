"""Install packages by pip, in one line that moves in the place of a page of text.

    python scripts/install.py LOG -r requirements.txt

All that pip says is kept in the file LOG; where it fails, its errors are shown, and
LOG is named. Runs before anything is installed: Python's own library must do.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

PIP = [sys.executable, "-um", "pip", "--disable-pip-version-check", "install"]
FETCHED = (
    re.compile(r"\s*(?:Collecting|Requirement already satisfied:) ([\w.-]+)"),
    re.compile(r"\s*Processing .*?([\w.]+)-[\w.-]+\.whl"),
)
WIDTH = 20


class State:
    """How far pip is, as far as it tells.

    Args:
        pins: How many packages are to be there at the end.
    """

    def __init__(self, pins: int):
        self.started = time.monotonic()
        self.pins, self.fetched, self.last = pins, set[str](), ""
        self.there_before = self.to_install = 0

    def hear(self, line: str) -> None:
        """Take up a line of pip's."""
        if found := FETCHED[0].match(line) or FETCHED[1].match(line):
            self.last = found[1]
            self.fetched.add(self.last)
        elif line.startswith("Ignoring "):  # a pin for another system
            self.pins -= 1
        elif line.startswith("Installing collected packages: "):
            self.there_before, self.to_install = installed(), 1 + line.count(", ")

    def __str__(self) -> str:
        gone = time.strftime("%M:%S", time.gmtime(time.monotonic() - self.started))
        if self.to_install:
            done, total = installed() - self.there_before, self.to_install
            what = "unpacking"
        else:
            done, total = len(self.fetched), self.pins
            what = f"fetching {self.last}"
        done = min(max(done, 0), total)
        full = WIDTH * done // max(total, 1)
        bar = "#" * full + "." * (WIDTH - full)
        return f"[{bar}] {done}/{total}, {gone} gone, {what[:30]}"


def installed() -> int:
    """Return how many packages lie in the environment."""
    return sum(1 for _ in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def pins_of(arguments: Iterable[str]) -> int:
    """Return how many packages the files among pip's arguments pin."""
    files = [Path(each) for each in arguments if each.endswith(".txt")]
    lines = "\n".join(file.read_text("utf-8") for file in files if file.exists())
    return len(re.findall(r"^[A-Za-z0-9]", lines, re.M))


def show(state: State, done: threading.Event) -> None:
    """Show the state in one line that moves; in a file a line a minute."""
    watched = sys.stdout.isatty()
    while not done.wait(0.5 if watched else 60):
        start, end = ("\r", "\033[K") if watched else ("", "\n")
        print(f"{start}{state}", end=end, flush=True)


def listen(process: subprocess.Popen, kept: TextIO, state: State) -> list[str]:
    """Keep what pip says; return its errors."""
    errors = []
    for line in process.stdout or ():
        kept.write(line)
        state.hear(line)
        if line.startswith(("ERROR", "error", "  error")):
            errors.append(line.rstrip())
    return errors


def main(log: Path, arguments: list[str]) -> int:
    """Run pip; return its exit status.

    Raises:
        OSError: The log can't be written; nothing is installed, or no more.
    """
    with log.open("w", encoding="utf-8") as kept:
        status, said = run(kept, arguments)
    if status:
        print("\n".join([*said, f"All that pip said: {log}"]), file=sys.stderr)
    return status


def run(kept: TextIO, arguments: list[str]) -> tuple[int, list[str]]:
    """Run pip, and show how far it is; return its exit status, and its errors."""
    state, done = State(pins_of(arguments)), threading.Event()
    shown = threading.Thread(target=show, args=(state, done), daemon=True)
    with subprocess.Popen(
        [*PIP, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        shown.start()
        try:
            errors = listen(process, kept, state)
        except BaseException:  # nobody hears pip any more: it would wait for ever
            process.terminate()
            raise
        finally:
            done.set()
            shown.join()
    status = process.returncode
    last = f"{len(state.fetched)} packages are there." if not status else "pip failed."
    print(f"\r{last}\033[K" if sys.stdout.isatty() else last)
    return status, errors


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except OSError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
