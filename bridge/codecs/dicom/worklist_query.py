"""A modality worklist identifier: what it asks to be found and what it asks to be returned. Source: PS3.4 K.2.2, K.6."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import charset, worklist_model
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import Asked, Key, read_identifier
from bridge.domain import worklist_search
from bridge.domain.matching import parse_date_range, parse_time_range
from bridge.domain.worklist_search import Criterion, WorklistSearch
from bridge.errors import Malformed

_Read = TypeVar("_Read")

_MAX_VALUES = 512
_MAX_WILDCARDS = 32
_USUAL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """
    What a modality asks of the worklist.

    keys: everything asked for, in tag order. is_fully_supported: False if an optional key was ignored (FF01).
    hints: slugs for the log.
    """

    keys: tuple[Key, ...] = ()
    character_set: CharacterSet | None = None
    search: WorklistSearch = field(default_factory=WorklistSearch)
    is_fully_supported: bool = True
    hints: tuple[str, ...] = ()


def to_worklist_query(
    identifier: bytes, transfer_syntax_uid: str, *, default_charset: CharacterSet = charset.LATIN_1
) -> WorklistQuery:
    """
    Return what a modality worklist identifier asks; remembered, for a device asks the same thing every few seconds.

    default_charset: how keys are read that declare no character set (the peer's setting).
    Raises: Malformed (A900), if it cannot be read or a date or time is none. Source: PS3.4 K.6.1.2, Table K.6-1.
    """
    read = _read_once if len(identifier) <= _USUAL_BYTES else _read
    return read(identifier, transfer_syntax_uid, default_charset)


def _read(identifier: bytes, transfer_syntax_uid: str, default_charset: CharacterSet) -> WorklistQuery:
    keys = read_identifier(identifier, transfer_syntax_uid)
    asked = Asked(keys, default_charset)
    step = _step_key(keys)
    step_keys = step.items or () if step else ()
    dates = _naming(worklist_model.START_DATE, parse_date_range, asked.one(step_keys, worklist_model.START_DATE))
    times = _naming(worklist_model.START_TIME, parse_time_range, asked.one(step_keys, worklist_model.START_TIME))
    starts, times_of_day = worklist_search.scheduled(dates, times)
    criteria = [
        *_criteria(step_keys, worklist_model.STEP_KEYS, asked),
        *_criteria(keys, worklist_model.ROOT_KEYS, asked),
    ]
    return WorklistQuery(
        keys=keys,
        character_set=asked.declared,
        search=WorklistSearch(tuple(criteria), starts, times_of_day),
        is_fully_supported=_are_supported(keys, worklist_model.ROOT_KEYS | {worklist_model.QUERY_RETRIEVE_LEVEL})
        and _are_supported(step_keys, worklist_model.STEP_KEYS),
        hints=tuple(_hints(keys, step)),
    )


# A console asks the same every few seconds all day.
_read_once = lru_cache(maxsize=512)(_read)


@lru_cache(maxsize=1024)
def keyword_of(tag: int) -> str:
    """Return the keyword of *tag*, "" for an unknown or private one."""
    return keyword_for_tag(tag)


def _naming(tag: int, read: Callable[[str], _Read], text: str) -> _Read:
    """Return what *read* makes of a key's *text*; a fault says which key it is in."""
    try:
        return read(text)
    except Malformed as fault:
        raise Malformed(fault.detail, code=fault.code, where=keyword_of(tag), source=fault.source) from None


def _step_key(keys: tuple[Key, ...]) -> Key | None:
    step = next((key for key in keys if key.tag == worklist_model.STEP_SEQUENCE), None)
    if step is not None and step.items is None and step.value.strip(b" \0"):
        raise Malformed("not a sequence", code="bad_sequence", where="ScheduledProcedureStepSequence")
    return step


def _criteria(keys: Iterable[Key], known: frozenset[int], asked: Asked) -> Iterator[Criterion]:
    """Yield what each of the *known* matching keys of one level asks, but for the scheduled start."""
    for key in keys:
        if key.tag not in known or key.tag in _APART:
            continue
        criterion = _criterion(key, asked)
        if criterion is not None:
            yield criterion


def _criterion(key: Key, asked: Asked) -> Criterion | None:
    keyword, vr = keyword_of(key.tag), vr_of(key.tag)
    if key.items is not None:
        items = _criteria(key.items, worklist_model.SEQUENCES.get(key.tag, frozenset()), asked)
        inside = tuple(items) if vr == "SQ" else ()
        return Criterion(keyword, items=inside) if inside else None
    if vr in ("DA", "TM"):
        read = worklist_search.of_dates if vr == "DA" else worklist_search.of_times
        return _naming(key.tag, lambda text: read(keyword, text), asked.text(key))
    if vr not in worklist_model.MATCHED_VRS:
        return None
    of = {"PN": worklist_search.of_names, "UI": worklist_search.of_uids}.get(vr, worklist_search.of_texts)
    criterion = of(keyword, asked.values(key))
    if criterion and (len(criterion.values) > _MAX_VALUES or len(criterion.wildcards) > _MAX_WILDCARDS):
        raise Malformed("more values than a query can need", code="too_many_values", where=keyword)
    return criterion


def _hints(keys: tuple[Key, ...], step: Key | None) -> Iterator[str]:
    tags = {key.tag for key in keys}
    if worklist_model.QUERY_RETRIEVE_LEVEL in tags:
        yield "query_retrieve_level"
    if tags & (worklist_model.STEP_KEYS - worklist_model.ROOT_KEYS):
        yield "step_keys_at_root"


_APART = frozenset(
    {worklist_model.START_DATE, worklist_model.START_TIME, worklist_model.STEP_SEQUENCE} | worklist_model.NEVER_MATCHED
)


def _are_supported(keys: Iterable[Key], known: frozenset[int]) -> bool:
    """Say whether every key of one level is one we know, and match on where it asks something."""
    return all(_is_supported(key, known) for key in keys)


def _is_supported(key: Key, known: frozenset[int]) -> bool:
    if key.tag not in known:
        return False
    if key.tag == worklist_model.STEP_SEQUENCE:
        return True
    if key.items is not None:
        return _are_supported(key.items, worklist_model.SEQUENCES.get(key.tag, frozenset()))
    asks = bool(key.value.strip(b" \0*"))
    is_plain = key.tag == worklist_model.QUERY_RETRIEVE_LEVEL or key.tag in worklist_model.NEVER_MATCHED
    return not asks or is_plain or vr_of(key.tag) in worklist_model.MATCHED_VRS
