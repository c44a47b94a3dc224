"""What stands between us and a FHIR server and loses answers: the server has done what it was asked, and nobody hears of it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PASSED_ON = ("Authorization", "Content-Type", "If-Match", "If-None-Exist", "Accept", "Prefer")
_PASSED_BACK = ("Content-Type", "ETag", "Location")


class LosingProxy:
    """Forwards to the server at *base_url*. lose: the answers to so many writes of a kind of resource are kept back."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.target = f"{parts.scheme}://{parts.netloc}"
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.proxy = self
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}{parts.path}"
        self._lock = threading.Lock()
        self._kind, self._left = "", 0
        self.lost = 0
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def lose(self, kind: str, count: int) -> None:
        """Keep back the answers to the next *count* writes of *kind*."""
        with self._lock:
            self._kind, self._left = kind, count

    def loses(self, method: str, path: str) -> bool:
        """Say whether the answer to this request is kept back, and count it."""
        with self._lock:
            if method not in ("PUT", "POST") or f"/{self._kind}" not in path or not self._left:
                return False
            self._left -= 1
            self.lost += 1
            return True

    def stop(self) -> None:
        """Forward nothing more."""
        self._http.shutdown()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: LosingProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _run(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: self.headers[name] for name in _PASSED_ON if self.headers.get(name)}
        request = urllib.request.Request(
            self.server.proxy.target + self.path, raw or None, headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, body, said = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as refusal:
            status, body, said = refusal.code, refusal.read(), refusal.headers
        if self.server.proxy.loses(self.command, self.path):
            self.close_connection = True
            return
        self.send_response(status)
        for name in _PASSED_BACK:
            if said.get(name):
                self.send_header(name, said[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = _run
