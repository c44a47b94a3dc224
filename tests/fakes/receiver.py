"""Somebody who is told things over HTTP: answers what a test says, and keeps what came."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


class Told:
    """One request as it came."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """A server on a free port of this machine. answer: the status of the next answers; location: of a redirect; trickles: bytes for ever, after the headers or as headers."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.answer = 200
        self.location = ""
        self.trickles = False
        self.trickles_headers = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.told.append(Told(self.path, headers, body))
                if receiver.trickles:
                    self._trickle()
                    return
                self.send_response(receiver.answer)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _trickle(self) -> None:
                """Answer one byte at a time, for ever."""
                self.send_response(200)
                if receiver.trickles_headers:
                    self.flush_headers()
                else:
                    self.end_headers()
                while receiver.trickles:
                    try:
                        self.wfile.write(b"A: b\r\n" if receiver.trickles_headers else b" ")
                        self.wfile.flush()
                    except OSError:
                        return
                    time.sleep(0.05)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/told"

    def of(self, kind: str) -> list[Any]:
        """Return the notifications of a kind ("handshake", "event-notification", "heartbeat")."""
        return [one.json for one in self.told if kind_of(one.json) == kind]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.trickles = False
        self._server.shutdown()
        self._server.server_close()


def status_of(bundle: Any) -> dict[str, Any]:
    """Return what a notification says of its subscription, R4 and R5 alike."""
    said = bundle["entry"][0]["resource"]
    if said["resourceType"] == "SubscriptionStatus":
        return dict(said)
    # The backport's R4 form has names of its own for what R5 has as elements (its profile backport-subscription-status-r4).
    plain = [one for one in said["parameter"] if one["name"] != "notification-event"]
    found = _values(plain)
    found["eventsSinceSubscriptionStart"] = found.pop("events-since-subscription-start")
    events = [_values(one["part"]) for one in said["parameter"] if one["name"] == "notification-event"]
    found["notificationEvent"] = [one | {"eventNumber": one.pop("event-number")} for one in events]
    return found


def _values(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["name"]: next(v for k, v in one.items() if k.startswith("value")) for one in parameters}


def kind_of(bundle: Any) -> str:
    """Return why a notification came, "" for something else."""
    return str(status_of(bundle)["type"]) if bundle.get("resourceType") == "Bundle" else ""


def numbers_of(bundles: list[Any]) -> list[int]:
    """Return the numbers of the news in notifications, in the order they came."""
    told = [one for bundle in bundles for one in status_of(bundle).get("notificationEvent", [])]
    return [int(one["eventNumber"]) for one in told]
