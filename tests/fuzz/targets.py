"""What must hold for any bytes at all: read, or refused by one of the house's own errors; answered; nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bridge.codecs.hl7 import batch, er7
from bridge.codecs.hl7.ack import answer_codes, build_ack, split_answers
from bridge.codecs.hl7.framing import Frame, FrameDecoder, TooLong, check
from bridge.codecs.x12 import envelope, prior_authorization
from bridge.codecs.x12.summary import acknowledgements_of, summary_of
from bridge.errors import BridgeError
from bridge.mapping.apply import apply
from bridge.mapping.site import SiteMapping
from tests.unit.mapping.senders import DEFAULTS, shipped

_AT = datetime(2026, 3, 1, tzinfo=UTC)
_FRAME_MAX = 16_384


def frames(data: bytes) -> None:
    """Cut a stream as the first bytes of *data* say; the frames must be those of the stream in one piece."""
    cuts, stream = data[:4], data[4:]
    places = sorted(cut * len(stream) // 256 for cut in cuts)
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    cut, whole = _frames_of(pieces), _frames_of([stream])

    assert [one.payload for one in cut] == [one.payload for one in whole]
    for frame in whole:
        assert b"\x1c\r" not in frame.payload
        _refusal(lambda frame=frame: check(frame))  # type: ignore[misc]


def parser(data: bytes) -> None:
    """Read, and if it can be read ask for everything in it; answer it; take it apart as a batch."""
    envelope, error = er7.read_envelope(data), _refusal(lambda: _read_all(data))
    answers = split_answers(build_ack(envelope, error, control_id="A1", at=_AT))

    assert len(answers) == len(answer_codes(envelope, error))
    for answer in answers:
        assert not {0x0B, 0x1C} & set(answer)
        assert b"\rMSA" in answer
    _refusal(lambda: _take_apart(data))


def mapping(data: bytes) -> None:
    """Map as the sender's site does, else by the base rules, and as a site that reads another character set."""
    envelope = er7.read_envelope(data)
    site = shipped().resolve(envelope.sending_application, envelope.sending_facility) or shipped().base
    error = _refusal(lambda: _map(data, site))
    assert build_ack(envelope, error, control_id="A1", at=_AT) or not answer_codes(envelope, error)


def x12(data: bytes) -> None:
    """Read a file, and everything in every transaction, also where its envelope is at fault."""
    _refusal(lambda: _read_all_x12(data))


TARGETS: Mapping[str, Callable[[bytes], None]] = {"frames": frames, "parser": parser, "mapping": mapping, "x12": x12}


def _frames_of(pieces: list[bytes]) -> list[Frame]:
    decoder, found = FrameDecoder(_FRAME_MAX), []
    for piece in pieces:
        try:
            found += [event for event in decoder.feed(piece) if isinstance(event, Frame)]
        except TooLong:
            return []
    last = decoder.settle()
    return [*found, last] if last is not None else found


def _read_all(data: bytes) -> None:
    message = er7.parse(data)
    for segment in message.segments:
        for number in range(1, len(segment.fields)):
            for repetition in segment.repetitions(number):
                for component in range(1, len(message.components(repetition)) + 1):
                    message.part(repetition, component)
                    message.part(repetition, component, 1)
    message.all_notices()


def _read_all_x12(data: bytes) -> None:
    for interchange in envelope.read(data):
        acknowledgements_of(interchange)
        for transaction in interchange.transactions():
            assert summary_of(transaction).control_number == transaction.control_number
            assert _refusal(lambda one=transaction: prior_authorization.read(one)) or not transaction.faults  # type: ignore[misc]


def _take_apart(data: bytes) -> None:
    if not batch.is_batch(data):
        return
    asked = batch.split(data)
    answers = [build_ack(er7.read_envelope(one), None, control_id="A", at=_AT) for one in asked.messages]
    answer = batch.build_batch_answer(asked, answers, control_id="B", at=_AT)
    assert len(batch.messages_in(answer)) == sum(map(bool, answers))


def _map(data: bytes, site: SiteMapping) -> None:
    found = apply(er7.parse(data, site.charset), site, DEFAULTS)
    assert found.control_id


def _refusal(work: Callable[[], object]) -> BridgeError | None:
    """Return the house's own error that *work* ended with; any other is let through: it is what is looked for."""
    try:
        work()
    except BridgeError as fault:
        return fault
    return None
