"""A FHIR server that takes nothing wrong and misbehaves on command: the demonstration's EHR and the tests' opponent.

    python -m samples.strict_ehr --port 9080
    curl -X POST 127.0.0.1:9080/_mode -d '{"mode": "commit-then-hang", "count": 3, "methods": ["PUT"]}'

It validates what it is sent, knows conditional create and update, If-Match, versions, history, search, $match and
delete, and keeps everything in memory, on loopback only. Modes, for the next *count* requests (without it for all), of *methods*
and *types* only if they are named: ok; 400 to 599; hang; slow; drip; garbage; empty; truncated; redirect; huge;
commit-then-hang, commit-then-reset, commit-then-500; race-dup (If-None-Exist is not honoured); no-conditional (405);
blind (a search finds nothing).
GET /_state: counts, identifiers held twice, resources, requests. POST /_reset forgets it all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import ssl
import struct
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.ehr_books import Books, Refusal
from samples.ehr_door import Door
from samples.ehr_match import matches
from samples.ehr_offers import BY_CONDITION, BY_ID, BY_SEARCH, Offers
from samples.ehr_rules import Rules

Json = dict[str, Any]

BASE = "/fhir"
_OFFERS = {"ids": BY_ID, "conditions": BY_CONDITION, "searches": BY_SEARCH}
_VERSIONS = {"R4": "4.0.1", "R5": "5.0.0"}
_MOST_BYTES = 64 << 20


class StrictEhr:
    """
    The server, in a thread of its own between `start` and `stop`.

    port 0: a free one. door: None lets everyone in. tls: what it is reached by, None for plain HTTP.
    """

    def __init__(
        self,
        port: int = 0,
        version: str = "R4",
        door: Door | None = None,
        slow_secs: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.books = Books()
        self.version = version
        self.offers = Offers()
        # None where its statement says what it does.
        self.promises: Offers | None = None
        self.rules = Rules(version, self.books.exists)
        self.door = door
        self.slow_secs = slow_secs
        self.ending = threading.Event()
        self.requests: list[str] = []
        self._mode: Json = {"mode": "ok"}
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.ehr = self
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}{BASE}"

    def start(self) -> StrictEhr:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering, also whoever hangs."""
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()

    def serve(self) -> None:
        """Answer until interrupted."""
        with contextlib.suppress(KeyboardInterrupt):
            self._http.serve_forever()

    def misbehave(self, mode: str, count: int | None = None, methods: list[str] | None = None, **more: Any) -> None:
        """Set the mode, as POST /_mode does."""
        with self.books.lock:
            self._mode = {"mode": mode, "count": count, "methods": methods, **more}

    def take_mode(self, method: str, kind: str) -> str:
        """Return how this request is answered, and count it."""
        with self.books.lock:
            mode = self._mode
            if method not in (mode.get("methods") or [method]) or kind not in (mode.get("types") or [kind]):
                return "ok"
            left = mode.get("count")
            if left is not None:
                if left <= 0:
                    return "ok"
                mode["count"] = left - 1
            return str(mode["mode"])

    def state(self) -> Json:
        """Return what GET /_state answers."""
        with self.books.lock:
            return self.books.state() | {"requests": len(self.requests), "log": self.requests[-500:]}

    def answer(self, method: str, url: urllib.parse.SplitResult, body: Json | None, headers: Any) -> tuple[int, Json]:
        """Do what a FHIR request asks. Raises: Refusal."""
        steps = [step for step in url.path.removeprefix(BASE).split("/") if step]
        where = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        if steps == ["metadata"] and method == "GET":
            return 200, (self.promises or self.offers).statement(_VERSIONS[self.version], self.base_url)
        if method == "GET":
            return 200, self._looked_up(steps, where)
        if method == "POST" and steps == ["Patient", "$match"]:
            return 200, self._matched(body)
        if method == "DELETE" and len(steps) == 2 and self.offers.deletes:
            self.books.delete(steps[0], steps[1])
            return 204, {}
        if (
            method not in ("PUT", "POST")
            or not 1 <= len(steps) <= 2
            or (method == "POST") != (len(steps) == 1 and not where)
        ):
            raise Refusal(405, "not-supported", "not served here")
        return self._written(method, steps, where, self._checked(body, steps[0]), headers)

    def _written(
        self, method: str, steps: list[str], where: dict[str, list[str]], resource: Json, headers: Any
    ) -> tuple[int, Json]:
        if method == "POST":
            condition = urllib.parse.parse_qs(headers.get("If-None-Exist", "").split("?")[-1])
            return self.books.create(resource, condition if self.offers.conditional_create else None)
        if len(steps) == 2:
            if resource.get("id") != steps[1]:
                raise Refusal(400, "invalid", "the id in the body is another one", f"{steps[0]}.id")
            if not self.offers.client_ids and not self.books.was_ever(*steps):
                raise Refusal(405, "not-supported", "ids are the server's to choose")
            return self.books.update(resource, steps[1], headers.get("If-Match", ""))
        if not self.offers.conditional_update:
            raise Refusal(405, "not-supported", "no conditional update")
        return self.books.update_where(resource, where, headers.get("If-Match", ""))

    def _looked_up(self, steps: list[str], where: dict[str, list[str]]) -> Json:
        if len(steps) == 1:
            found = self.books.search(steps[0], where)
            return _bundle("searchset", [{"resource": one, "search": {"mode": "match"}} for one in found])
        if len(steps) == 2:
            return self.books.read(steps[0], steps[1])
        if len(steps) == 3 and steps[2] == "_history":
            return _bundle("history", [{"resource": one} for one in self.books.history(steps[0], steps[1])])
        if len(steps) == 4 and steps[2] == "_history":
            for one in self.books.history(steps[0], steps[1]):
                if one["meta"]["versionId"] == steps[3]:
                    return one
        raise Refusal(404, "not-found", "not served here")

    def _matched(self, body: Json | None) -> Json:
        try:
            return _bundle("searchset", matches(body or {}, self.books.search("Patient", {})))
        except ValueError as fault:
            raise Refusal(400, "required", str(fault), "Parameters.parameter") from None

    def _checked(self, body: Json | None, kind: str) -> Json:
        if body is None:
            raise Refusal(400, "structure", "no JSON object")
        for code, expression, sentence in self.rules.faults(body, kind):
            raise Refusal(400 if code == "structure" else 422, code, sentence, expression)
        return body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    ehr: StrictEhr

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: requests are listed in /_state."""

    def _run(self) -> None:
        ehr, url = self.server.ehr, urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST_BYTES:
            self.close_connection = True
            self._say(413, _outcome("too-long", "larger than anything we take"))
            return
        raw = self.rfile.read(length) if length else b""
        if url.path.startswith("/_"):
            self._steer(url.path, raw)
            return
        kind = next((step for step in url.path.removeprefix(BASE).split("/") if step), "")
        mode = ehr.take_mode(self.command, kind)
        with ehr.books.lock:
            ehr.requests.append(f"{self.command} {url.path} {mode}")
        if not self._misbehaved_before(mode):
            self._misbehave_after(mode, *self._carried_out(url, raw, mode))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _run

    def _carried_out(self, url: urllib.parse.SplitResult, raw: bytes, mode: str) -> tuple[int, Json]:
        ehr = self.server.ehr
        headers = {name: self.headers.get(name, "") for name in ("If-Match", "If-None-Exist")}
        if mode == "race-dup":
            headers["If-None-Exist"] = ""
        try:
            if ehr.door is not None:
                answer = ehr.door.answer(self.command, url.path, raw, ehr.base_url)
                if answer is not None:
                    return answer
                if not ehr.door.lets_in(self.headers.get("Authorization", "")):
                    raise Refusal(401, "login", "no valid token")
            if mode == "blind" and self.command == "GET" and url.query:
                return 200, _bundle("searchset", [])
            if mode == "no-conditional" and url.query and self.command == "PUT":
                raise Refusal(405, "not-supported", "no conditional update")
            return ehr.answer(self.command, url, _object_in(raw), headers)
        except Refusal as refusal:
            return refusal.status, _outcome(refusal.code, str(refusal), refusal.expression)

    def _misbehaved_before(self, mode: str) -> bool:
        """Answer, or fail to, without doing anything; False if the request is to be carried out."""
        ehr = self.server.ehr
        if mode == "hang":
            self.close_connection = True
            ehr.ending.wait(300)
        elif mode.isdigit():
            self._say(
                int(mode),
                _outcome("processing", "as commanded"),
                {"Retry-After": "1"} if mode in ("429", "503") else {},
            )
        elif mode == "redirect":
            self._say(302, {}, {"Location": "http://127.0.0.1:9/elsewhere"})
        elif mode == "garbage":
            self._send(200, b"<html><body>maintenance</body></html>", {"Content-Type": "text/html"})
        elif mode == "huge":
            self._send(200, b"[" + b" " * (50 << 20) + b"]", {})
        else:
            if mode == "slow":
                ehr.ending.wait(ehr.slow_secs)
            return False
        return True

    def _misbehave_after(self, mode: str, status: int, said: Json) -> None:
        body = json.dumps(said).encode()
        if mode == "commit-then-hang":
            self.close_connection = True
            self.server.ehr.ending.wait(300)
        elif mode == "commit-then-reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif mode == "commit-then-500":
            self._say(500, _outcome("exception", "as commanded"))
        elif mode == "empty":
            self._send(status, b"", {})
        elif mode == "truncated":
            self._send(status, body[: len(body) // 2], {})
        elif mode == "drip":
            self._send(status, body, {}, pause_secs=self.server.ehr.slow_secs / 10)
        else:
            self._say(status, said)

    def _say(self, status: int, said: Json, headers: dict[str, str] | None = None) -> None:
        more = dict(headers or {})
        if "meta" in said and "id" in said:
            version = said["meta"]["versionId"]
            more |= {
                "ETag": f'W/"{version}"',
                "Location": f"{self.server.ehr.base_url}/{said['resourceType']}/{said['id']}/_history/{version}",
            }
        self._send(status, b"" if status == 204 else json.dumps(said).encode(), more)

    def _send(self, status: int, body: bytes, headers: dict[str, str], pause_secs: float = 0.0) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/fhir+json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = 1 if pause_secs else max(len(body), 1)
        with contextlib.suppress(OSError):
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                if pause_secs and self.server.ehr.ending.wait(pause_secs):
                    break

    def _steer(self, path: str, raw: bytes) -> None:
        ehr = self.server.ehr
        if path == "/_mode":
            ehr.misbehave(**json.loads(raw))
        elif path == "/_reset":
            ehr.books.clear()
            ehr.misbehave("ok")
        self._say(200, ehr.state() if path == "/_state" else {"ok": True})


def _object_in(raw: bytes) -> Json | None:
    try:
        said = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _bundle(kind: str, entries: list[Json]) -> Json:
    bundle: Json = {"resourceType": "Bundle", "type": kind, "total": len(entries)}
    return bundle | ({"entry": entries} if entries else {})


def _outcome(code: str, diagnostics: str, expression: str = "") -> Json:
    issue: Json = {"severity": "error", "code": code, "diagnostics": diagnostics}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=9080)
    parser.add_argument("--version", choices=sorted(_VERSIONS), default="R4")
    parser.add_argument("--slow-secs", type=float, default=5.0, help="how long the mode slow waits")
    parser.add_argument("--offers", choices=sorted(_OFFERS), default="ids", help="what it lets a client do")
    parser.add_argument("--token", default="", help="let in only who sends this bearer token")
    chosen = parser.parse_args()
    door = Door(token=chosen.token) if chosen.token else None
    ehr = StrictEhr(chosen.port, chosen.version, door, chosen.slow_secs)
    ehr.offers = _OFFERS[chosen.offers]
    ehr.serve()


if __name__ == "__main__":
    main()
