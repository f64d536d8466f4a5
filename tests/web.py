"""A web server on this machine, as faulty as a test wants it."""

import contextlib
import gc
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Its `body`, `status` and `fault` say how it answers."""

    daemon_threads = True
    body, status, fault, asked = b"", 200, "", 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/preprocessed.zip"

    def handle_error(self, *_):
        """Say nothing when a client goes away."""


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        if self.server.fault == "silent":
            self.server.released.wait(20)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()

    def do_GET(self):
        self.server.asked += 1
        self.do_HEAD()
        body = self.server.body
        if self.server.fault in ("cut", "stalls"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if self.server.fault == "stalls":
                self.server.released.wait(20)
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Let a server answer while the block runs; who waits for `released` goes on."""
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def served(body: bytes) -> Iterator[Server]:
    """Serve while the block runs."""
    server = Server(("127.0.0.1", 0), Handler)
    server.body = body
    with running(server):
        yield server
    gc.collect()  # a connection left open would be found here, and not in another test
