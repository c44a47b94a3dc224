"""Objects to a DICOMweb archive by STOW-RS, streamed, with what became of each. Source: PS3.18 10.5.

| answer               | becomes                                                                    |
|----------------------|----------------------------------------------------------------------------|
| 200, 202, 409        | a result for each object, by what the answer's sequences say                |
| 400, 415, 406, other | every object of the request was refused                                     |
| 401 after one new token, 403 | Refused                                                             |
| 413                  | the request is cut in half; one object alone is too large for the server    |
| 404, 408, 429, 5xx, no connection, a redirect | Unavailable, with Retry-After                      |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import httpx2

from bridge.clock import Clock
from bridge.codecs.dicom.status import PROCESSING_FAILURE, SUCCESS, is_warning
from bridge.codecs.dicomweb.multipart import content_type
from bridge.codecs.dicomweb.store_answer import StoreAnswer, read_store_answer
from bridge.domain.study import NOT_HERE, Outgoing
from bridge.errors import Conflict, Malformed, Refused, Unavailable, Unsupported
from bridge.outbox.retry import THROTTLED
from bridge.publishers.dicom_client import StoreResult
from bridge.publishers.http_answer import Answer, Limits, exchange, retry_after
from bridge.publishers.smart import authorization_for
from bridge.sections.remote import DicomwebServer

_CHUNK_BYTES = 256 << 10
_MAX_ANSWER_BYTES = 16 << 20
_CONNECT_SECS = 10.0
# A request is answered as a whole: of one that fails, so many objects are sent again.
_OBJECTS_AT_ONCE = 100
_CANNOT_STORE = 0xA900
_TOO_LARGE = 0xA901
_COERCED = 0xB000


class StowClient:
    """One DICOMweb server. Thread-safe; keeps its connections."""

    def __init__(self, server: DicomwebServer, clock: Clock) -> None:
        self.name = server.name
        self._base_url = server.base_url.rstrip("/")
        self._clock = clock
        self._limits = Limits(_MAX_ANSWER_BYTES, server.sends.answer_secs)
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(server.sends.answer_secs, connect=_CONNECT_SECS),
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": "application/dicom+json", "User-Agent": "imaging-bridge"},
        )
        self._authorization = authorization_for(server.auth, self._base_url, self._http, clock)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def store(
        self,
        study_instance_uid: str,
        objects: Sequence[Outgoing],
        before_each: Callable[[], None],
        on_result: Callable[[StoreResult], bool],
    ) -> None:
        """
        Send *objects* of one study in as few requests as are sensible.

        before_each: called before an object is sent; what it raises ends the request unfinished. on_result: told each
        result; returning False ends the transfer. Raises: Unavailable, Refused, as the table says.
        """
        left = [list(objects[at : at + _OBJECTS_AT_ONCE]) for at in range(0, len(objects), _OBJECTS_AT_ONCE)]
        while left:
            batch = left.pop(0)
            parts = _Parts(batch, before_each)
            answer = self._post(study_instance_uid, parts)
            if answer.status == 413 and len(batch) > 1:
                left[:0] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            for result in parts.spoilt + (self._results(answer, parts.sent) if parts.sent else []):
                if not on_result(result):
                    return

    def probe(self) -> str:
        """Ask for one study, to see that somebody answers. Raises: Unavailable, Refused."""
        headers = {"Authorization": self._authorization.header(renew=False)}
        request = self._http.build_request("GET", f"{self._base_url}/studies?limit=1", headers=_said(headers))
        answer = exchange(self._http, request, self._limits)
        if answer.status not in (200, 204):
            self._refuse(answer)
        return ""

    def _post(self, study_instance_uid: str, parts: _Parts) -> Answer:
        answer = self._try(study_instance_uid, parts, renew=False)
        if answer.status == 401 and self._authorization.is_renewable:
            answer = self._try(study_instance_uid, parts, renew=True)
        return answer

    def _try(self, study_instance_uid: str, parts: _Parts, *, renew: bool) -> Answer:
        boundary = f"bridge-{self._clock.new_id()}"
        headers = {
            "Authorization": self._authorization.header(renew),
            "Content-Type": content_type(boundary, "application/dicom"),
        }
        request = self._http.build_request(
            "POST",
            f"{self._base_url}/studies/{study_instance_uid}",
            headers=_said(headers),
            content=parts.body(boundary),
        )
        return exchange(self._http, request, self._limits)

    def _results(self, answer: Answer, sent: Sequence[Outgoing]) -> list[StoreResult]:
        if answer.status in (200, 202, 409):
            return _by_answer(answer, sent)
        if answer.status == 413:
            return [StoreResult(one.sop_instance_uid, _TOO_LARGE, "too large for the server") for one in sent]
        if answer.status in (400, 406, 415):
            return [StoreResult(one.sop_instance_uid, _CANNOT_STORE, f"HTTP {answer.status}") for one in sent]
        self._refuse(answer)
        return []

    def _refuse(self, answer: Answer) -> None:
        if answer.status in (401, 403):
            raise Refused(f"the server answers {answer.status}", code=f"http_{answer.status}")
        asked = retry_after(answer, self._clock)
        code = THROTTLED if answer.status in (429, 503) and asked else f"http_{answer.status}"
        raise Unavailable(f"the server answers {answer.status}", code=code, retry_after_secs=asked)


class _Parts:
    """The objects of one request. sent: those whose parts were written; spoilt: those that could not be made ready."""

    def __init__(self, objects: Sequence[Outgoing], before_each: Callable[[], None]) -> None:
        self._objects = objects
        self._before_each = before_each
        self.sent: list[Outgoing] = []
        self.spoilt: list[StoreResult] = []

    def body(self, boundary: str) -> Iterator[bytes]:
        """Return the request's body piece by piece; no object is ever whole in memory."""
        self.sent, self.spoilt = [], []
        for one in self._objects:
            self._before_each()
            with ExitStack() as opened:
                try:
                    file = opened.enter_context(opened.enter_context(one.at_hand()).open("rb"))
                except (Malformed, Unsupported) as fault:
                    self.spoilt.append(StoreResult(one.sop_instance_uid, PROCESSING_FAILURE, fault=fault))
                    continue
                except (Conflict, Unavailable) as fault:
                    # Of an object that is gone, and of none of the others.
                    if fault.code not in NOT_HERE:
                        raise
                    removed = fault if isinstance(fault, Conflict) else None
                    said = StoreResult(one.sop_instance_uid, PROCESSING_FAILURE, "the file cannot be read", removed)
                    self.spoilt.append(said)
                    continue
                except OSError:
                    self.spoilt.append(StoreResult(one.sop_instance_uid, PROCESSING_FAILURE, "the file cannot be read"))
                    continue
                self.sent.append(one)
                # The file's own meta says its transfer syntax; there are servers that pass a part over whose type has it.
                yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode("ascii")


def _by_answer(answer: Answer, sent: Sequence[Outgoing]) -> list[StoreResult]:
    try:
        said = read_store_answer(answer.body)
    except Malformed:
        said = StoreAnswer()
    return [StoreResult(one.sop_instance_uid, _status(said, one.sop_instance_uid)) for one in sent]


def _status(said: StoreAnswer, uid: str) -> int | None:
    """Return the status of one object: without a word on it nobody knows, whatever the answer's own status was."""
    if uid in said.failed:
        reason = said.failed[uid]
        return PROCESSING_FAILURE if reason == SUCCESS or is_warning(reason) else reason
    warning = said.kept.get(uid)
    return warning if warning is None or warning == SUCCESS or is_warning(warning) else _COERCED


def _said(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}
