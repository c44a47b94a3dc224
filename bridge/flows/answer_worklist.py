"""A modality asks for its worklist: found and matched by the database, cut to the keys it asked for.

The answers are complete before the first one is sent: a slow device must not hold a database connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.answers import Given
from bridge.codecs.dicom.device_text import reading_of
from bridge.codecs.dicom.worklist_item import Answering, answering
from bridge.codecs.dicom.worklist_query import WorklistQuery, to_worklist_query
from bridge.domain.device_profile import DeviceProfile, Visibility
from bridge.domain.records import replace
from bridge.domain.worklist_search import MODALITY, STATION, Criterion, WorklistSearch
from bridge.errors import Conflict, Unavailable
from bridge.flows.device_profiles import AskingDevice, DeviceOf
from bridge.store import worklist
from bridge.store.db import ReadTx, Store
from bridge.store.worklist import Found

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """One match. status: 0xFF00 or 0xFF01; identifier: encoded in the asked transfer syntax; step_key: its step's row."""

    status: int
    identifier: bytes
    step_key: int = 0


class Answers(list[Answer]):
    """Every match, by start time. was_cut: more matched than are sent. lossy: in how many the device gets less than is stored."""

    was_cut = False
    lossy = 0

    @property
    def step_keys(self) -> tuple[int, ...]:
        return tuple(one.step_key for one in self)


def _anybody(tx: ReadTx) -> AskingDevice:
    return AskingDevice(DeviceProfile(""), Visibility())


def answer_worklist(
    store: Store, identifier: bytes, transfer_syntax_uid: str, device_of: DeviceOf = _anybody
) -> Answers:
    """
    Return the worklist entries that match and that the device is shown, by start time, as many as its profile takes.

    device_of: looks up who asks.
    Raises: Malformed (A900), for an identifier that cannot be read; Conflict (C001), if it holds none of the keys that the
    device must ask for; Unavailable (A700), if more match than a device takes that takes no cut list. Source: PS3.4 K.4.1.
    """
    with store.read() as tx:
        device = device_of(tx)
        profile, reading = device.profile, reading_of(device.profile)
        default = reading.character_set or charset.LATIN_1
        query = to_worklist_query(identifier, transfer_syntax_uid, default_charset=default)
        if query.hints:
            _log.warning("worklist_query_odd", peer=profile.ae_title, hints=query.hints)
        if profile.lacks_required_key(query.search.keywords):
            return _without_required(profile)
        found = worklist.find(tx, meant(query.search, profile), profile.max_results + 1, device.seen)
    return _answers(found, query, transfer_syntax_uid, profile)


def meant(search: WorklistSearch, profile: DeviceProfile) -> WorklistSearch:
    """Return what a device means that asks by one of several titles or modalities that are the same to it."""
    criteria = tuple(_meant(one, profile) for one in search.criteria)
    return search if criteria == search.criteria else replace(search, criteria=criteria)


def _meant(one: Criterion, profile: DeviceProfile) -> Criterion:
    if one.keyword == STATION:
        return replace(one, values=profile.station_keys(one.values))
    return replace(one, values=profile.modality_keys(one.values)) if one.keyword == MODALITY else one


def _without_required(profile: DeviceProfile) -> Answers:
    """An empty list looks like a day without patients: only a device that cannot bear an error gets one."""
    _log.warning("worklist_query_without_required_key", peer=profile.ae_title, then=profile.without_required)
    if profile.without_required == "empty":
        return Answers()
    wanted = " or ".join(profile.required_keys)
    raise Conflict(f"the query must ask for {wanted}", code="required_key_missing", where=profile.required_keys[0])


def _answers(found: Sequence[Found], query: WorklistQuery, transfer_syntax_uid: str, profile: DeviceProfile) -> Answers:
    answers, most = Answers(), profile.max_results
    answers.was_cut = len(found) > most
    if answers.was_cut:
        _log.warning("worklist_cut", peer=profile.ae_title, at=most)
        if profile.over_max == "refuse":
            raise Unavailable(f"more than {most} entries match: ask for fewer", code="too_many_matches")
    how = answering(query, transfer_syntax_uid, reading_of(profile))
    for one in found[:most]:
        given = _give(one, how)
        if given is not None:
            answers.append(Answer(how.status, given.identifier, one.step_key))
            answers.lossy += given.is_lossy
    if answers.lossy:
        _log.warning("worklist_letters_lost", peer=profile.ae_title, answers=answers.lossy)
    return answers


def _give(found: Found, how: Answering) -> Given | None:
    """One record that cannot be encoded is left out and logged; it never breaks the list."""
    try:
        return how.give(found.encoded)
    except Exception as fault:  # noqa: BLE001 - whatever is wrong with it, the others are answered
        _log.error("worklist_entry_left_out", step=found.step_key, fault=type(fault).__name__)
        return None
