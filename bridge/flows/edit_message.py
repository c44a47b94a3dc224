"""A person mends a message and sends it as a new one: its own row, its own control ID, and the original as it was."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.codecs.hl7.envelope import body_of, read_envelope
from bridge.domain.identifiers import digest_of
from bridge.domain.message import InboundMessage
from bridge.errors import Incomplete, Malformed, Unavailable
from bridge.flows.receive_message import MessageReceiver, Received
from bridge.store import audit, messages
from bridge.store.db import Store

EDITED_MAX_BYTES = 256 << 10
_MARKS = ("\x0b", "\x1c")


def editable_text(message: InboundMessage) -> tuple[str, str]:
    """
    Return a message's text, one segment a line, and the codec that gives its bytes back.

    Bytes that are no text in their set are read as Latin-1: whatever is not touched stays what it was. Raises: Malformed,
    for one too long for a form.
    """
    body = body_of(message.raw)
    if len(body) > EDITED_MAX_BYTES:
        raise Malformed("too long to be edited here: download it, edit the file and send it", code="too_long")
    codec = message.charset or "utf-8"
    try:
        text = body.decode(codec)
    except (UnicodeDecodeError, LookupError):
        codec, text = "latin-1", body.decode("latin-1")
    return text.replace("\r\n", "\r").replace("\n", "\r").strip("\r").replace("\r", "\n"), codec


def edited_bytes(original: InboundMessage, text: str, control_id: str) -> bytes:
    """
    Return edited *text* as a sender would put it on the wire, in the original's character set.

    MSH-10 becomes *control_id* where it is still the original's, so that the two are told apart everywhere.
    Raises: Incomplete, for no text or no change; Malformed, for a character that the set does not have, or too much.
    """
    before, codec = editable_text(original)
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    if not lines:
        raise Incomplete("there is no message left", where="message")
    if lines == [line for line in before.split("\n") if line.strip()]:
        raise Incomplete("nothing was changed: to process it as it came, replay it", where="message", code="unchanged")
    if any(mark in text for mark in _MARKS):
        raise Malformed("holds characters that frame messages on the wire", where="message")
    raw = _encoded("\r".join(_with_control_id(lines, original.control_id, control_id)) + "\r", codec)
    if len(raw) > EDITED_MAX_BYTES:
        raise Malformed("too long to be edited here", code="too_long", where="message")
    return raw


def next_control_id(store: Store, message_key: int) -> str:
    """Return the control ID that the next edit of a message gets: "EDIT-17-2" for the second of message 17."""
    with store.read() as tx:
        return f"EDIT-{message_key}-{len(messages.edits_of(tx, message_key)) + 1}"


class MessageEditor:
    """Sends what a person made of a message through the same door as every other."""

    def __init__(self, store: Store, clock: Clock, receiver: MessageReceiver) -> None:
        self._store = store
        self._clock = clock
        self._receiver = receiver

    def send(self, message_key: int, text: str, actor: str) -> int:
        """
        Journal and apply an edited message as a new one; return its key.

        Raises: LookupError, if there is no such message; Incomplete or Malformed, if it cannot be sent; Unavailable, if
        it could not be stored.
        """
        with self._store.read() as tx:
            original = messages.get(tx, message_key)
        raw = edited_bytes(original, text, next_control_id(self._store, message_key))
        self._receiver.receive([Received(raw, actor, edited_from=message_key, actor=actor)])
        envelope = read_envelope(raw)
        sender = (envelope.sending_application, envelope.sending_facility)
        now = self._clock.now()
        with self._store.write() as tx:
            new, _ = messages.heard_before(tx, sender, envelope.control_id, digest_of(raw))
            if new is None:
                raise Unavailable("it could not be stored; nothing was done", code="not_stored")
            detail = {"message": new.key, "edited_from": message_key}
            audit.add(tx, at=now, action="message_edited", actor=actor, detail=detail)
        return new.key


def _with_control_id(lines: list[str], original: str, control_id: str) -> list[str]:
    """Return *lines* with MSH-10 replaced where nobody gave it another value."""
    head = lines[0]
    fields = head.split(head[3:4]) if len(head) > 3 else []
    if head[:3] != "MSH" or len(fields) < 10 or fields[9].strip() not in ("", original):
        return lines
    fields[9] = control_id
    return [head[3].join(fields), *lines[1:]]


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec)
    except UnicodeEncodeError as fault:
        line = text.count("\r", 0, fault.start)
        segment = text.split("\r")[line][:3]
        raise Malformed(
            f"line {line + 1} ({segment}) holds a character that {codec} does not have", where="message", code="charset"
        ) from None
