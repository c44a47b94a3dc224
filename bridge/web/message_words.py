"""What became of a message, in words: what the sender was told, what it did here, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.domain.message import InboundMessage, MessageState

_TOLD = {
    "AA": "accepted (AA)",
    "CA": "accepted (CA)",
    "AE": "that its content is wrong (AE): sending the same again will not help",
    "CE": "that its content is wrong (CE): sending the same again will not help",
    "AR": "that it was not taken (AR)",
    "CR": "that it was not taken (CR)",
}

# What is wrong, for people, and who mends it. By error code; a code that is not here is told in its own words.
_REASONS: dict[str, tuple[str, str]] = {
    "missing": (
        "A value that must be there is missing",
        "If the sender has it in another field, name that field in the site's mapping and replay. If not, it is the "
        "sender's to send.",
    ),
    "not_in_table": (
        "A code is in none of the tables we read it by",
        "Add the code to the site's table and replay, or have the sender use a code of the standard's.",
    ),
    "too_long": (
        "A number is longer than a device can hold",
        "Cut, it would be another number. Have the mapping take a shorter one, or the sender send it.",
    ),
    "too_many": ("There is more of something than any real message holds", "Ask the sender what it built."),
    "segment_sequence": (
        "Its parts are not in an order that leaves no doubt",
        "Ask the sender; or edit the message and send it as a new one.",
    ),
    "cut_frame": (
        "It came damaged: what follows its end is no message",
        "The sender should send it again. What the wire lost is not here, so a replay is refused, too.",
    ),
    "no_header": ("It does not begin with a message header", "Something that speaks no HL7 reached the HL7 port."),
    "wrong_charset": (
        "Its bytes are not in the character set that it names",
        "Set the site's charset to what the sender really sends, and replay.",
    ),
    "control_character": (
        "It holds control characters that its character set does not use",
        "Ask the sender; or edit the message and send it as a new one.",
    ),
    "replacement_character": (
        "Letters were lost before it reached us",
        "The sender, or something on the way, could not write them. Have it sent again.",
    ),
    "unsupported_type": ("This kind of message is not served", "Nothing is lost by it here; the sender may stop it."),
    "unsupported_event": ("This event is not served", "Nothing is lost by it here; the sender may stop it."),
    "unsupported_processing_id": (
        "It is marked as a test, and this sender's site takes none",
        "Add the mark to the site's processing_ids if tests are wanted.",
    ),
    "unsupported_version": ("Its HL7 version is not served", "The site's mapping says which are."),
    "refused": (
        "No site's mapping knows this sender",
        "Add a site with a match for it (the page Try a message suggests a preset), then replay.",
    ),
    "conflict": (
        "It speaks of something that is not here, or no longer as it says",
        "If the message that comes before it was refused, mend and replay that one first, then this one.",
    ),
    "duplicate_key": (
        "It would make two of what may exist only once",
        "Look at what has the number already; the sender's two records may be one.",
    ),
    "record_locked": ("The exam is being done, or is done", "A change comes too late; tell those who do the exam."),
    "unavailable": ("The database could not take it just then", "The sender sends it again; or replay it."),
    "internal_error": (
        "That was our fault, not the sender's",
        "The log has the trace under message_not_applied. The sender keeps the message; a replay tries again.",
    ),
}
_STALE = "older"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    A message's outcome in words.

    said: what the sender was told. why, advice: of a refusal, "" otherwise. did: what it changed, one sentence each.
    """

    said: str
    why: str = ""
    advice: str = ""
    did: tuple[str, ...] = ()


def outcome_of(message: InboundMessage, did: Sequence[str]) -> Outcome:
    """Return what became of *message*. did: what the timeline and the merges say it changed."""
    told = _TOLD.get(message.answer_code, message.answer_code)
    said = f"The sender was told: {told}." if message.answer else "The sender wanted no answer."
    if message.state == MessageState.APPLIED:
        return Outcome(said, did=tuple(did) or (_nothing(message),))
    reason, advice = _REASONS.get(message.error_code, ("", ""))
    detail = message.error_detail[:1].upper() + message.error_detail[1:]
    where = f" ({message.error_where})" if message.error_where else ""
    why = f"{reason or 'It was refused'}{where}: {message.error_detail}." if detail else f"{reason}{where}."
    return Outcome(said, why, advice or "Mend the sender or the mapping, then replay it.")


def _nothing(message: InboundMessage) -> str:
    if any(_STALE in notice.detail for notice in message.notices):
        return "It is older than what is known, so it changed nothing."
    return "No exam was changed: it told of a patient or a visit, or of nothing new."
