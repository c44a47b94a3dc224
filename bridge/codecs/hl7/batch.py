"""Batches: many messages between BHS and BTS, alone or in a file of batches, and the batch of answers that goes back.

Source: HL7 2.5.1 2.10.3, 2.14.2, 2.14.3, 2.14.6, 2.14.7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.codecs.hl7.ack import batch_header, split_answers, trailer
from bridge.codecs.hl7.envelope import Envelope, body_of, read_envelope
from bridge.errors import Malformed

MAX_PARTS = 10_000
_LINE_END = re.compile(rb"[\r\n]+")
_FRAME_OF_BATCH = (b"FHS", b"BHS", b"BTS", b"FTS", b"MSH")
_SOURCE = "HL7 2.5.1 2.10.3"


@dataclass(slots=True)
class Batch:
    """One batch: its header, None for messages that stand in a file without one, and its messages as sent."""

    header: Envelope | None
    messages: list[bytes] = field(default_factory=list)
    is_open: bool = True


@dataclass(slots=True)
class BatchFile:
    """What stood between FHS and FTS, or one batch alone. header: of the file, None where it has none."""

    header: Envelope | None = None
    batches: list[Batch] = field(default_factory=list)

    @property
    def messages(self) -> list[bytes]:
        """Every message of every batch, in order."""
        return [message for batch in self.batches for message in batch.messages]


def is_batch(raw: bytes) -> bool:
    """Say whether *raw* begins as a file or a batch does."""
    return body_of(raw[:64])[:3] in (b"FHS", b"BHS")


def split(raw: bytes) -> BatchFile:
    """
    Return the messages of a file or batch, `FHS? (BHS (MSH…)* BTS)* FTS?`, none of them read.

    In a file the batch segments may be left out together. Raises: Malformed, where a batch has no end, is counted
    otherwise than it is long, or stands where none can: all of it is refused then, as part of it may be missing.
    """
    found = BatchFile()
    ended = False
    parts = _parts(raw)
    if len(parts) > MAX_PARTS:
        raise Malformed(f"more than {MAX_PARTS} messages in a batch", code="too_many", where="BTS-1")
    for name, line in parts:
        if ended:
            raise _out_of_place(name)
        if name == "FTS":
            _end_file(found, line)
            ended = True
        else:
            _take(found, name, line)
    if found.header is None and not found.batches:
        raise Malformed("not a batch", code="segment_sequence", where="BHS", source=_SOURCE)
    last = found.batches[-1] if found.batches else None
    if last is not None and last.is_open and not (last.header is None and ended):
        raise Malformed("the batch has no end", code="segment_sequence", where="BTS", source=_SOURCE)
    return found


def split_messages(raw: bytes) -> list[bytes]:
    """Return the messages that stand one behind the other in *raw* without a batch around them, each as sent."""
    return [message for _, message in _parts(raw, (b"MSH",))]


def build_batch_answer(asked: BatchFile, answers: Sequence[bytes], *, control_id: str, at: datetime) -> bytes:
    """
    Return the batch of answers, batch by batch, in the batches' own delimiters.

    answers: one for each message of *asked*, in its order, b"" for one that wants none; of two for one message, the
    application acknowledgment stands here. at: aware. Source: HL7 2.5.1 2.14.2.12 (BHS-12 is the received BHS-11).
    """
    waiting = iter(answers)
    out: list[bytes] = []
    for number, batch in enumerate(asked.batches, 1):
        own = [next(waiting) for _ in batch.messages]
        given = [split_answers(answer)[-1] for answer in own if answer]
        header = batch.header or asked.header
        assert header is not None
        out += [
            batch_header("BHS", header, f"{control_id[:16]}-{number}", at),
            *given,
            trailer("BTS", header, len(given)),
        ]
    if asked.header is None:
        return b"".join(out)
    head = batch_header("FHS", asked.header, control_id, at)
    return b"".join([head, *out, trailer("FTS", asked.header, len(asked.batches))])


def messages_in(answer: bytes) -> list[bytes]:
    """Return the answers in an answer, which may be one, two, or a batch of them."""
    return split(answer).messages if is_batch(answer) else split_answers(answer)


def _parts(raw: bytes, names: tuple[bytes, ...] = _FRAME_OF_BATCH) -> list[tuple[str, bytes]]:
    """Cut *raw* before each segment of those names; a message keeps its own segments and line ends as sent."""
    body = body_of(raw)
    # As sent with what ends its last line; what was told to be UTF-16 is no part of it as it stands.
    begin = raw.find(body)
    body = raw[begin:] if begin >= 0 else body
    cuts = [0]
    for end in _LINE_END.finditer(body):
        if body[end.end() : end.end() + 3] in names and not body[end.end() + 3 : end.end() + 4].isalnum():
            cuts.append(end.end())
    return [
        (body[begin : begin + 3].decode("latin-1"), body[begin:end])
        for begin, end in zip(cuts, [*cuts[1:], len(body)], strict=True)
    ]


def _take(found: BatchFile, name: str, line: bytes) -> None:
    batch = found.batches[-1] if found.batches and found.batches[-1].is_open else None
    if name == "FHS" and found.header is None and not found.batches:
        found.header = _header(line, name)
    elif name == "BHS" and batch is None:
        found.batches.append(Batch(_header(line, name)))
    elif name == "MSH" and (batch is not None or (found.header is not None and not found.batches)):
        if batch is None:
            batch = Batch(None)
            found.batches.append(batch)
        batch.messages.append(line)
    elif name == "BTS" and batch is not None:
        _check_count(line, len(batch.messages), batch.header or found.header, "BTS-1")
        batch.is_open = False
    else:
        raise _out_of_place(name)


def _end_file(found: BatchFile, line: bytes) -> None:
    header = found.header or (found.batches[0].header if found.batches else None)
    _check_count(line, len(found.batches), header, "FTS-1")


def _header(line: bytes, name: str) -> Envelope:
    """Read a batch's own header; segments that follow it before the first message belong nowhere."""
    header = read_envelope(line)
    if header.fault is not None:
        raise header.fault
    if _LINE_END.search(line.strip(b"\r\n\x00 \t")):
        raise _out_of_place(name)
    return header


def _check_count(line: bytes, count: int, header: Envelope | None, where: str) -> None:
    separator = header.delimiters.field if header is not None else "|"
    lines = _LINE_END.split(line.strip(b"\r\n\x00 \t"))
    if len(lines) > 1:
        raise _out_of_place(where[:3])
    said = [*lines[0].decode("latin-1").split(separator), ""][1].strip()
    if said and said.lstrip("0") != (str(count) if count else ""):
        raise Malformed("the count is not what came", code="segment_sequence", where=where, source=_SOURCE)


def _out_of_place(name: str) -> Malformed:
    place = name if name.isalnum() and len(name) == 3 else "BHS"
    return Malformed("a batch segment out of its place", code="segment_sequence", where=place, source=_SOURCE)
