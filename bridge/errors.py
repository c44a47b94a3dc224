"""Every error this house raises, named for what the caller should do about it.

BridgeError
├── Malformed       not readable as its own format           → repair the bytes; resending them will not help
├── Unsupported     a kind we do not serve                    → send something else
├── Incomplete      a required value is missing or unknown    → fill it in
├── Conflict        our state forbids it                      → look at the state first
├── Refused         this caller may not                       → ask an administrator
├── Unavailable     later may work                            → send it again later
└── Misconfigured   settings, mappings or schema are wrong    → the start stops, with every fault listed

The edges (`codecs/hl7/ack.py`, `codecs/dicom/status.py`, `web/problems.py`, `outbox/retry.py`) each hold one table
from these classes to their protocol's codes. `detail` never holds patient data: it goes to peers and to logs.
"""

from __future__ import annotations

from collections.abc import Sequence

# Said of what is no BridgeError: its own text may hold what was read.
OUR_FAULT = "something went wrong on our side"


class BridgeError(Exception):
    """
    Something the caller can react to.

    detail: one sentence without patient data. code: a stable slug. where: segment-field ("PID-3"), tag keyword or
    form field, "" if it has no place. source: the clause that asks for it, "" if none does.
    to_caller: the sentence as the caller alone may read it, where it has to name a number; never logged.
    """

    code = "error"

    def __init__(
        self, detail: str, *, code: str | None = None, where: str = "", source: str = "", to_caller: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.to_caller = to_caller or detail
        self.code = code or type(self).code
        self.where = where
        self.source = source


class Malformed(BridgeError):
    """The input cannot be read as the format it claims."""

    code = "malformed"


class Unsupported(BridgeError):
    """The input is readable, but of a kind we do not serve."""

    code = "unsupported"


class Incomplete(BridgeError):
    """
    A required value is missing, or not in its table.

    faults: (place, sentence) of everything that is wrong, where more than one thing may be; `where` is the first place.
    """

    code = "incomplete"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        where: str = "",
        source: str = "",
        faults: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail, code=code, where=where, source=source)
        self.faults = tuple(faults)


class Conflict(BridgeError):
    """Our state forbids it; the same request will fail until the state changes."""

    code = "conflict"


class Refused(BridgeError):
    """This caller may not do this."""

    code = "refused"


class Unavailable(BridgeError):
    """
    It may work later.

    retry_after_secs: what the other side asked us to wait, None if it did not say.
    """

    code = "unavailable"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        where: str = "",
        source: str = "",
        retry_after_secs: float | None = None,
    ) -> None:
        super().__init__(detail, code=code, where=where, source=source)
        self.retry_after_secs = retry_after_secs


class Misconfigured(BridgeError):
    """The start stops. `faults` lists everything that is wrong, not only the first thing."""

    code = "misconfigured"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[type[Misconfigured], tuple[tuple[str, ...]]]:
        return (type(self), (self.faults,))
