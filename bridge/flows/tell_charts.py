"""Which resources beside ImagingStudy a change may touch: each is queued for every server that takes its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bridge.domain.chart import DOCUMENT, ORDER, PROCEDURE, REPORT, SELECTION, Part
from bridge.domain.study import Study
from bridge.outbox import enqueue
from bridge.outbox.enqueue import chart_part
from bridge.store import key_objects, news, orders, performed, reports, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.news import Look

# What each server takes, of PARTS.
Takers = Mapping[str, tuple[str, ...]]
# (the part, the order's row)
OfExam = tuple[Part, int | None]


def queue_parts(tx: WriteTx, look: Look, takers: Takers, at: datetime) -> None:
    """Queue what hangs on the subject of *look*; whether it is to stand, and where, its publisher finds out."""
    if not takers:
        return
    for part, order_key in dict.fromkeys(_touched(tx, look)):
        for server in (name for name, kinds in takers.items() if part.kind in kinds):
            enqueue.enqueue(tx, chart_part(part, server, order_key), at)


def parts_of_study(
    tx: ReadTx, study_instance_uid: str, study: Study | None, order_keys: Iterable[int] = ()
) -> list[OfExam]:
    """
    Return what charts may have of a study's exam beside its images, each once.

    study: None where no image of it is here. order_keys: further orders that it is of.
    """
    return list(dict.fromkeys(_study(tx, study_instance_uid, study, order_keys)))


def _touched(tx: ReadTx, look: Look) -> Iterable[OfExam]:
    if look.kind == news.PERFORMED:
        return [_performed(look.row, None)]
    if look.kind == news.REPORT:
        return _report(tx, look.row, None)
    if look.kind == news.ORDER:
        return _order(tx, look.row)
    if look.kind == news.PATIENT:
        found = [part for one in orders.of_patient(tx, look.row) for part in _order(tx, one.key)]
        return [
            *found,
            *(part for one in reports.of_patient(tx, look.row) for part in _report(tx, one.key, one.order_key)),
        ]
    study = studies.get(tx, look.row) if look.kind == news.STUDY else None
    return () if study is None else _study(tx, study.study_instance_uid, study)


def _study(tx: ReadTx, uid: str, study: Study | None, order_keys: Iterable[int] = ()) -> list[OfExam]:
    named = [one.key for one in orders.by_study_uid(tx, uid)]
    own = study.order_key if study is not None else None
    found = [part for key in dict.fromkeys([*named, *order_keys, *filter(None, [own])]) for part in _order(tx, key)]
    known = {part for part, _ in found}
    steps = [_performed(one.key, own) for one in performed.of_study(tx, uid)]
    found += [one for one in steps if study is not None or one[0] not in known]
    if study is not None:
        found += [(Part(SELECTION, key), own) for key in key_objects.of_study(tx, study.key)]
    return found + [part for one in reports.of_study(tx, uid) for part in _report(tx, one.key, one.order_key)]


def _order(tx: ReadTx, key: int) -> list[OfExam]:
    found = [_performed(one.key, key) for one in performed.of_order(tx, key)]
    found += [part for one in reports.of_orders(tx, [key]) for part in _report(tx, one.key, key)]
    return [(Part(ORDER, key), key), *found]


def _performed(key: int, order_key: int | None) -> OfExam:
    return Part(PROCEDURE, key), order_key


def _report(tx: ReadTx, key: int, order_key: int | None) -> list[OfExam]:
    """Return a report and every document that ever came with it: one that came with an earlier version stands no more."""
    digests = dict.fromkeys(one.digest for said in reports.versions(tx, key) for one in said.content.documents)
    documents = [Part(DOCUMENT, key, digest) for digest in digests]
    return [(part, order_key) for part in (Part(REPORT, key), *documents)]
