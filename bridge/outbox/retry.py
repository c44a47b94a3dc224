"""When to try again: a pure function of how often it was tried and what went wrong.

| error                                        | becomes                                                        |
|----------------------------------------------|----------------------------------------------------------------|
| Unavailable                                  | again, 1 s doubling to 15 min, for seven days                  |
| Unavailable that names a time (Retry-After)  | again, not before it; the whole destination waits              |
| Unavailable, nobody there (destination_down) | again as above; the whole destination waits                    |
| Refused                                      | again, 15 s doubling to 15 min; the whole destination waits    |
| Malformed, Unsupported, Incomplete, Conflict | dead: the same bytes will fail again                           |
| anything else (our bug)                      | again four times, then dead                                    |
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import BridgeError, Refused, Unavailable

_FIRST_SECS = 1.0
_CAP_SECS = 15 * 60.0
_ASKED_CAP_SECS = 60 * 60.0
_REFUSED_SECS = 15.0
# Ten attempts reach the cap; after them one each quarter of an hour, at least half of it (jitter), for seven days.
_UNAVAILABLE_ATTEMPTS = 10 + 7 * 24 * 4 * 4 // 3
_BUG_ATTEMPTS = 5
# The other side slows everybody down, not this delivery alone.
THROTTLED = "throttled"
# Whoever we are there, this kind of thing is not ours to write: other kinds may be.
FORBIDDEN = "forbidden"
# Nobody could be reached at all: the next delivery would not reach anybody either.
DESTINATION_DOWN = "destination_down"


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again after *delay_secs*. whole_destination: nothing else goes there before either."""

    delay_secs: float
    whole_destination: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """Stop: a person looks."""


def decide(attempts: int, fault: Exception, jitter: float) -> RetryAt | Dead:
    """
    Say what follows the failure of attempt number *attempts* (from 1).

    jitter: a random number from 0 to 1, handed in; the delay lies between half of its step and the whole of it.
    """
    if isinstance(fault, Refused):
        return RetryAt(_step(_REFUSED_SECS, attempts, jitter), whole_destination=True)
    if isinstance(fault, Unavailable):
        if attempts >= _UNAVAILABLE_ATTEMPTS:
            return Dead()
        asked = min(fault.retry_after_secs or 0.0, _ASKED_CAP_SECS)
        delay = max(_step(_FIRST_SECS, attempts, jitter), asked * (1 + jitter / 10))
        return RetryAt(delay, whole_destination=fault.code in (THROTTLED, DESTINATION_DOWN))
    if isinstance(fault, BridgeError) or attempts >= _BUG_ATTEMPTS:
        return Dead()
    return RetryAt(_step(_FIRST_SECS, attempts, jitter))


def _step(first_secs: float, attempts: int, jitter: float) -> float:
    step = min(first_secs * 2.0 ** min(attempts - 1, 30), _CAP_SECS)
    return step * (1 + jitter) / 2
