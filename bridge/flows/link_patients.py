"""Two records are one person's, or are not (A24, A37): a note for people, never a merge. Source: HL7 2.5.1 3.3.24, 3.3.37."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.domain.identity_draft import LinkDraft
from bridge.domain.message import Notice
from bridge.domain.patient import Patient
from bridge.errors import Conflict
from bridge.flows.journal_change import Changed
from bridge.flows.register_patient import News, fill_lacking, known_or_made, refresh_keys
from bridge.store import filing, links, merges, patients, studies
from bridge.store.db import WriteTx
from bridge.store.merges import Merge


def link_patients(tx: WriteTx, draft: LinkDraft, news: News) -> Changed:
    """
    Note that two records are linked, or are not any more; nothing moves, and no image is bound by it.

    Two that were merged are not parted by an unlink: their studies are put before a person, who may undo the merge.
    Raises: Conflict (AE 205), for a record linked to itself.
    """
    if draft.one.identifiers[0].key == draft.other.identifiers[0].key:
        raise Conflict("a patient cannot be linked to itself", code="duplicate_key", where="PID[2]-3")
    merged = _merged(tx, draft, news)
    if merged is not None:
        return merged
    one, other = (known_or_made(tx, each.identifiers[0], news) for each in (draft.one, draft.other))
    said = links.said_at(tx, one.key, other.key)
    if said is not None and said[0] > news.said_at:
        return Changed(one, [Notice("I", "older than what is known of the link, nothing changed", "PID-3")])
    for known, said_of in ((one, draft.one), (other, draft.other)):
        fill_lacking(tx, known, said_of, news)
    links.put(tx, one.key, other.key, news.said_at, linked=draft.linked)
    patients.said_otherwise(tx, (one.key, other.key), news.heard_at)
    if (said is not None and said[1]) == draft.linked:
        return Changed(one, [Notice("I", "it is so already, nothing changed", "PID-3")])
    return Changed(one)


def _merged(tx: WriteTx, draft: LinkDraft, news: News) -> Changed | None:
    """
    Return what becomes of a link between two numbers of one record, None if they are of two.

    Until registration says otherwise again, what an unlinked record says names no patient of the survivor's.
    """
    first, second = (patients.find(tx, each.identifiers[0]) for each in (draft.one, draft.other))
    if first is None or second is None:
        return None
    live = patients.survivor(tx, first.key)
    if live.key != patients.survivor(tx, second.key).key:
        return None
    if draft.linked:
        take_as_one(tx, live.key, [first.key, second.key], news)
        return Changed(live, [Notice("I", "the two are one record already, nothing changed", "PID-3")], (live.key,))
    ended = [(one, entry) for one in (first, second) if (entry := _merge_of(tx, one)) is not None]
    doubted = {key for one, entry in ended for key in _resting_on_merge(tx, one, entry, live.key)}
    changed = Changed(live, [Notice("W", "the two were merged: a person must part them", "PID-3")])
    changed.held = [(key, "A37", _DOUBT) for key in sorted(doubted)]
    if ended:
        records = [one.key for one, _ in ended]
        records += [key for each in records for key in patients.merged_into(tx, each)]
        _part(tx, live.key, records, news)
        changed.parted = (tuple(records), min(entry.heard_at for _, entry in ended))
    return changed


def take_as_one(tx: WriteTx, live_key: int, keys: Iterable[int], news: News) -> None:
    """Let records that are merged into a live one be its again, unless an unlink said otherwise later."""
    for key in keys:
        links.take_as_one(tx, key, live_key, news.said_at)
    refresh_keys(tx, live_key)


def _part(tx: WriteTx, live_key: int, keys: Iterable[int], news: News) -> None:
    """Note that records are not the live one's into which they were merged, unless later news said that they are."""
    for key in keys:
        said = links.said_at(tx, key, live_key)
        if said is None or said[0] <= news.said_at:
            links.put(tx, key, live_key, news.said_at, linked=False)
    refresh_keys(tx, live_key)


def _merge_of(tx: WriteTx, retired: Patient) -> Merge | None:
    return merges.ended_by(tx, retired.key) if retired.merged_into is not None else None


def _resting_on_merge(tx: WriteTx, retired: Patient, entry: Merge, live_key: int) -> list[int]:
    """Return the studies that are the survivor's because *retired* was merged: by its number, or by an order of its."""
    since = filing.under_numbers(tx, live_key, retired.identifiers)
    ordered = [study.key for key in entry.moved.get("orders", ()) for study in studies.of_order(tx, key)]
    return [*entry.moved.get("studies", ()), *since.get("studies", ()), *ordered]


_DOUBT = "Registration says that the two records it rests on are two people's."
