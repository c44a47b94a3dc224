"""Every message of the public corpus sent to a running product over MLLP, and what came back before the next answer."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.batch import is_batch, messages_in, split, split_messages
from bridge.codecs.hl7.framing import Frame, FrameDecoder, wrap
from bridge.domain.identifiers import digest_of
from bridge.errors import BridgeError
from bridge.store.db import Store
from bridge.store.tables import messages
from tests.product.running import Product

_SENTINEL_ID = "ANSWERED"
_SENTINEL = wrap(
    b"MSH|^~\\&|SENTINEL|SENTINEL|||20000101||ADT^A08|" + _SENTINEL_ID.encode() + b"|P|2.5\rPID|1||1^^^SENTINEL||S^S\r"
)
_ANSWER_SECS = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """
    One message and its answers. raw: as the product journals it. of_batch: it went out inside one. batch_refused: it was
    not looked at, as the batch around it was not whole.
    """

    file: str
    number: int
    raw: bytes
    answers: tuple[bytes, ...]
    of_batch: bool = False
    batch_refused: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal says became of a message. code: MSA-1 in original mode."""

    state: str
    code: str
    error_code: str
    where: str
    detail: str


def send_corpus(product: Product, corpus: Path) -> list[Sent]:
    """Send every file over a connection of its own: a batch as one, messages that merely follow each other one by one."""
    found: list[Sent] = []
    for file in sorted(path for path in (corpus / "hl7").rglob("*") if path.is_file()):
        name, content = file.relative_to(corpus / "hl7").as_posix(), file.read_bytes()
        host, _, port = product.addresses["hl7"].rpartition(":")
        with socket.create_connection((host, int(port)), _ANSWER_SECS) as wire:
            found += _send_file(wire, name, content)
    return found


def outcomes(product: Product) -> dict[str, Outcome]:
    """Return what the journal says of every message, by the digest of its bytes."""
    store = Store(f"sqlite:///{product.folder / 'data' / 'bridge.db'}")
    columns = (messages.c.digest, messages.c.state, messages.c.answer, messages.c.error_code)
    query = select(*columns, messages.c.answer_code, messages.c.error_where, messages.c.error_detail)
    with store.read() as tx:
        rows = tx.execute(query).all()
    store.dispose()
    return {
        row.digest: Outcome(
            row.state, row.answer_code.replace("C", "A", 1), row.error_code, row.error_where, row.error_detail
        )
        for row in rows
    }


def _send_file(wire: socket.socket, name: str, content: bytes) -> list[Sent]:
    if content.startswith(b"\x0b"):
        payload = content.removeprefix(b"\x0b").split(b"\x1c", 1)[0]
        return [Sent(name, 1, payload, _exchange(wire, content))]
    if is_batch(content):
        (answer,) = _exchange(wire, wrap(content))
        return _of_batch(name, content, answer)
    parts = [part for part in split_messages(content) if part.startswith(b"MSH")] or [content]
    return [Sent(name, number, part, _exchange(wire, wrap(part))) for number, part in enumerate(parts, 1)]


def _of_batch(name: str, content: bytes, answer: bytes) -> list[Sent]:
    """Give each message of a batch its own answer out of the batch of answers."""
    try:
        inside = split(content).messages
    except BridgeError:
        parts = [part for part in split_messages(content) if part.startswith(b"MSH")]
        return [Sent(name, number, content, (answer,), True, True) for number, _ in enumerate(parts, 1)]
    given = list(messages_in(answer))
    found = []
    for number, raw in enumerate(inside, 1):
        control_id = er7.read_envelope(raw).control_id
        own = tuple(given[:1]) if given and control_id_of(given[0]) == control_id else ()
        given = given[len(own) :]
        found.append(Sent(name, number, raw, own, True))
    assert not given, f"{name}: an answer to nothing"
    return found


def control_id_of(answer: bytes) -> str:
    """Return MSA-2."""
    msa = er7.parse(answer).first("MSA")
    assert msa is not None
    return msa.field(2) or ""


def _exchange(wire: socket.socket, framed: bytes) -> tuple[bytes, ...]:
    """Send, then a message that is always answered: what comes before its answer are the answers to the first."""
    wire.settimeout(_ANSWER_SECS)
    wire.sendall(framed)
    wire.sendall(_SENTINEL)
    decoder, found = FrameDecoder(), []
    while True:
        data = wire.recv(65536)
        assert data, "the connection was closed"
        for event in (*decoder.feed(data), decoder.settle()):
            if not isinstance(event, Frame):
                continue
            if not is_batch(event.payload) and control_id_of(event.payload) == _SENTINEL_ID:
                return tuple(found)
            found.append(event.payload)


def digest(sent: Sent) -> str:
    """Return the digest the journal knows the message by."""
    return digest_of(sent.raw)
