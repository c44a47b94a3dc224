"""Keys that programs publish: fetched once, again for a new key, never as often as somebody asks, nor from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from bridge.clock import FixedClock
from bridge.errors import Unavailable
from bridge.publishers.client_keys import PublishedKeys


class Publishing:
    """A program's server. said: what it answers."""

    def __init__(self) -> None:
        self.status, self.said, self.asked = 200, orjson.dumps({"keys": [{"kid": "a"}]}), 0
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                here.asked += 1
                self.send_response(here.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(here.said)))
                self.end_headers()
                self.wfile.write(here.said)

            def log_message(self, *said: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"


@pytest.fixture
def publishing() -> Iterator[Publishing]:
    made = Publishing()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.fixture
def published(clock: FixedClock) -> Iterator[PublishedKeys]:
    keys = PublishedKeys(clock)
    yield keys
    keys.close()


def test_keys_are_kept_and_a_new_one_is_looked_for_twice_a_minute_at_most(
    publishing: Publishing, published: PublishedKeys, clock: FixedClock
) -> None:
    for _ in range(5):
        assert published.keys_at(publishing.url, "a") == {"keys": [{"kid": "a"}]}
        published.keys_at(publishing.url, "b")
    assert publishing.asked == 1
    publishing.said = orjson.dumps({"keys": [{"kid": "b"}]})
    clock.at += timedelta(seconds=31)
    assert published.keys_at(publishing.url, "b") == {"keys": [{"kid": "b"}]}
    clock.at += timedelta(seconds=31)
    published.keys_at(publishing.url, "b")
    assert publishing.asked == 2


def test_keys_outlive_a_failure_but_not_five_minutes(
    publishing: Publishing, published: PublishedKeys, clock: FixedClock
) -> None:
    published.keys_at(publishing.url, "a")
    publishing.status = 500
    clock.at += timedelta(minutes=4)
    assert published.keys_at(publishing.url, "b") == {"keys": [{"kid": "a"}]}
    clock.at += timedelta(minutes=2)
    with pytest.raises(Unavailable):
        published.keys_at(publishing.url, "a")


@pytest.mark.parametrize(("status", "said"), [(302, b"{}"), (200, b"[" * 5000), (200, b"[]"), (200, b" " * (65 << 10))])
def test_what_is_no_key_set_is_none(publishing: Publishing, published: PublishedKeys, status: int, said: bytes) -> None:
    publishing.status, publishing.said = status, said
    with pytest.raises(Unavailable):
        published.keys_at(publishing.url, "a")
    with pytest.raises(Unavailable):
        published.keys_at(publishing.url, "a")
    assert publishing.asked == 1
