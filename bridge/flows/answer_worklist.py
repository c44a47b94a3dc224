"""A modality asks for its worklist: found and matched by the database, cut to the keys it asked for.

The answers are complete before the first one is sent: a slow device must not hold a database connection.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.worklist_item import answer
from bridge.codecs.dicom.worklist_query import WorklistQuery, to_worklist_query
from bridge.errors import BridgeError
from bridge.store import worklist
from bridge.store.db import Store
from bridge.store.worklist import Found

_log = structlog.get_logger(__name__)

MAX_ITEMS = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """One match. status: 0xFF00 or 0xFF01; identifier: encoded in the asked transfer syntax; step_key: its step's row."""

    status: int
    identifier: bytes
    step_key: int = 0


class Answers(list[Answer]):
    """Every match, by start time. was_cut: more matched than are sent."""

    was_cut = False

    @property
    def step_keys(self) -> tuple[int, ...]:
        return tuple(one.step_key for one in self)


def answer_worklist(
    store: Store, identifier: bytes, transfer_syntax_uid: str, peer_charset: str = "", calling: str = ""
) -> Answers:
    """
    Return the worklist entries that match, by start time, at most 500.

    peer_charset: what the device can read by its settings, "" to follow its query.
    Raises: Malformed (A900), for an identifier that cannot be read. Source: PS3.4 K.4.1.
    """
    default = charset.parse_setting(peer_charset) or charset.LATIN_1
    query = to_worklist_query(identifier, transfer_syntax_uid, default_charset=default)
    with store.read() as tx:
        found = worklist.find(tx, query.search, MAX_ITEMS + 1)
    if query.hints:
        _log.warning("worklist_query_odd", peer=calling, hints=query.hints)
    answers = Answers()
    answers.was_cut = len(found) > MAX_ITEMS
    if answers.was_cut:
        _log.warning("worklist_cut", peer=calling, at=MAX_ITEMS)
    for one in found[:MAX_ITEMS]:
        answered = _answer(one, query, transfer_syntax_uid, peer_charset)
        if answered is not None:
            answers.append(answered)
    return answers


def _answer(found: Found, query: WorklistQuery, transfer_syntax_uid: str, peer_charset: str) -> Answer | None:
    """One record that cannot be encoded is left out and logged; it never breaks the list."""
    try:
        return Answer(*answer(found.encoded, query, transfer_syntax_uid, peer_charset), found.step_key)
    except (BridgeError, UnicodeError, ValueError) as fault:
        _log.error("worklist_entry_left_out", step=found.step_key, fault=type(fault).__name__)
        return None
