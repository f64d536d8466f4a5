"""A web server for one page, on this computer alone: the standard library's.

Other pages that are open in the same browser must not reach it: what is asked under
another name than this computer's own, or from another page, is turned away.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from carlib.app.answers import Answers
from carlib.app.page import SCRIPTS, STYLE, page_of_files, policy, source
from carlib.data.opening import MAX_BYTES
from carlib.errors import CarlibError, OutputError, printable

ADDRESS = "127.0.0.1"
SECONDS = 60  # without a byte, after which a caller is given up
_KINDS = {"css": "text/css", "js": "text/javascript", "html": "text/html"}
_TOO_LARGE = f"A photo may have {MAX_BYTES >> 20} MiB."
_PHOTO = "the photo"


class AppServer(ThreadingHTTPServer):
    """Serve the page and answer it, to several people at once.

    Args:
        answers: Who is asked.
        port: Where to listen; 0: wherever there is room.

    Raises:
        OutputError: Somebody else listens there.

    Example:
        >>> with AppServer(Answers(model), 0) as server:  # doctest: +SKIP
        ...     server.serve_forever()
    """

    daemon_threads = True  # Ctrl-C doesn't wait for whoever is slow

    def __init__(self, answers: Answers, port: int = 0):
        self.asks: dict[str, Callable[[bytes], Any]] = {
            "/answer": answers.answer,
            "/nearest": answers.nearest,
        }
        files = {f"/{name}": source(name) for name in (STYLE, *SCRIPTS)}
        self.files = files | {"/": page_of_files("served")}
        self.facts = answers.facts()
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise OutputError(
                f"Port {port} can't be had: {error.strerror}.",
                hint="Name another one, or 0 for any that is free.",
            ) from error

    @property
    def hosts(self) -> tuple[str, str]:
        """What this computer may be called in a request."""
        return f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.hosts[0]}/"

    def handle_error(self, *_: Any) -> None:
        """Say nothing where a browser goes away in the middle."""


class _Handler(BaseHTTPRequestHandler):
    server: AppServer
    server_version, sys_version = "carlib", ""
    protocol_version, timeout = "HTTP/1.1", SECONDS

    def do_GET(self) -> None:
        if self._is_foreign():
            return
        if self.path == "/model":
            self._say(HTTPStatus.OK, self.server.facts)
        elif self.path in self.server.files:
            kind = _KINDS[self.path.rpartition(".")[2] if self.path != "/" else "html"]
            text = self.server.files[self.path]
            self._send(HTTPStatus.OK, f"{kind}; charset=utf-8", text.encode())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        asked = self.server.asks.get(self.path)
        if self._is_foreign():
            return
        if asked is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
        elif (photo := self._body()) is not None:
            try:
                said = asked(photo)
            except CarlibError as error:  # of the photo, so that's the answer
                said = {"error": _in_words(error)}
            self._say(HTTPStatus.OK, said)

    def _is_foreign(self) -> bool:
        """Turn away who asks under another name, or from another page.

        A foreign name that leads here is DNS rebinding; the browser says which page it
        asks for in Origin and Sec-Fetch-Site (Fetch Metadata, W3C).
        """
        hosts, origin = self.server.hosts, self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        foreign = (
            self.headers.get("Host") not in hosts
            or (origin is not None and origin not in [f"http://{h}" for h in hosts])
            or site not in ("same-origin", "none")
        )
        if foreign:
            self._refuse(HTTPStatus.FORBIDDEN, "Only this computer's own page may ask.")
        return foreign

    def _body(self) -> bytes | None:
        """Return what was sent; None: it was refused, and isn't read."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "How long is the photo?")
        elif int(length[:20]) > MAX_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            return body if len(body) == int(length) else None
        return None

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what was sent with it is not read
        self._say(status, {"error": why})

    def _say(self, status: HTTPStatus, value: Any) -> None:
        data = json.dumps(value, allow_nan=False).encode()
        self._send(status, "application/json", data)

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", _RULES)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: names of photos are nobody's business."""


_RULES = policy("'self'", "'self'", "'self'") + "; frame-ancestors 'none'"


def _in_words(error: CarlibError) -> str:
    """Say in one line what is wrong with a photo, without the name it has in here."""
    lines = error.problems or [error.message]
    text = printable(lines[0]).replace("photo 1", _PHOTO)
    return text[:1].upper() + text[1:]
