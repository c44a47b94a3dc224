"""A modality asks for its worklist: found by index, matched on the encoded items, cut to the keys it asked for.

The answers are complete before the first one is sent: a slow device must not hold a database connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.keys import WorklistQuery, to_worklist_query
from bridge.codecs.dicom.worklist_item import answer, matches
from bridge.errors import BridgeError
from bridge.store import worklist
from bridge.store.db import Store
from bridge.store.worklist import Narrowing

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
        found = worklist.candidates(tx, narrowing(query))
    answers = Answers()
    for step_key, encoded in found:
        if len(answers) == MAX_ITEMS:
            _log.warning("worklist_cut", peer=calling, at=MAX_ITEMS)
            answers.was_cut = True
            break
        one = _answer(step_key, encoded, query, transfer_syntax_uid, peer_charset)
        if one is not None:
            answers.append(one)
    return answers


def narrowing(query: WorklistQuery) -> Narrowing:
    """Return the part of *query* that indexes can answer."""
    window = query.start_window
    return Narrowing(
        scheduled_station_ae_title=_exact(query.scheduled_station_ae_title),
        modality=_exact(query.modality),
        starts_from=(window.low or None) if window is not None else None,
        starts_until=(window.high or None) if window is not None else None,
        accession_number=_exact(query.accession_number),
        patient_id=_exact(query.patient_id),
        study_instance_uid=tuple(query.study_instance_uid),
    )


def _answer(
    step_key: int, encoded: bytes, query: WorklistQuery, transfer_syntax_uid: str, peer_charset: str
) -> Answer | None:
    """One record that cannot be matched or encoded is left out and logged; it never breaks the list."""
    try:
        if not matches(encoded, query):
            return None
        return Answer(*answer(encoded, query, transfer_syntax_uid, peer_charset), step_key)
    except (BridgeError, UnicodeError, ValueError) as fault:
        _log.error("worklist_entry_left_out", step=step_key, fault=type(fault).__name__)
        return None


def _exact(values: Sequence[str]) -> tuple[str, ...]:
    """Return *values* if every one is plain: a wildcard beside them widens the whole key."""
    return () if any(set(value) & set("*?") for value in values) else tuple(value.strip() for value in values)
