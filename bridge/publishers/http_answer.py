"""One HTTP exchange with a server that may be slow, endless or hostile: capped in bytes and in time, never redirected."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2

from bridge.clock import Clock
from bridge.errors import Unavailable
from bridge.outbox.retry import DESTINATION_DOWN

UNKNOWN_OUTCOME = "unknown_outcome"
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. headers: names in any case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an answer is read, and for how long."""

    max_bytes: int
    deadline_secs: float


def exchange(http: httpx2.Client, request: httpx2.Request, limits: Limits) -> Answer:
    """
    Send *request* and return the whole answer.

    Raises: Unavailable: code "destination_down" if nobody was there; "no_answer", or "unknown_outcome" if the answer is
    too large or comes too slowly: then the request may have been carried out.
    """
    try:
        response = http.send(request, stream=True)
        try:
            body = b"".join(_within(response.iter_bytes(), limits))
        finally:
            response.close()
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as fault:
        raise Unavailable(f"cannot be reached ({type(fault).__name__})", code=DESTINATION_DOWN) from None
    except httpx2.HTTPError as fault:
        raise Unavailable(f"no answer ({type(fault).__name__})", code=NO_ANSWER) from None
    return Answer(response.status_code, body, response.headers)


def retry_after(answer: Answer, clock: Clock) -> float | None:
    """Return Retry-After in seconds, given as such or as a date. Source: RFC 9110 10.2.3."""
    value = answer.headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value[:6])
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def clock_ahead_secs(answer: Answer, clock: Clock) -> float | None:
    """Return how far the other side's clock is ahead of ours, None if it does not say. Source: RFC 9110 6.6.1 (Date)."""
    try:
        return (parsedate_to_datetime(answer.headers.get("Date", "")) - clock.now()).total_seconds()
    except (ValueError, TypeError):
        return None


def _within(chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    ends_at = time.monotonic() + limits.deadline_secs
    left = limits.max_bytes
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise Unavailable("the answer is too large to be one", code=UNKNOWN_OUTCOME)
        if time.monotonic() > ends_at:
            raise Unavailable("the answer came too slowly", code=UNKNOWN_OUTCOME)
        yield chunk
