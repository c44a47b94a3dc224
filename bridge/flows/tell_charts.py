"""Which resources beside ImagingStudy a change may touch: each is queued for every server that takes its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bridge.domain.study import Study
from bridge.outbox import enqueue
from bridge.outbox.enqueue import CHART_ORDER, CHART_PART, Work
from bridge.store import news, orders, performed, reports, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.news import Look

PROCEDURE = "Procedure"
REPORT = "DiagnosticReport"
DOCUMENT = "DocumentReference"
ORDER = "ServiceRequest"
PARTS = (PROCEDURE, REPORT, DOCUMENT, ORDER)

# (order_of, the order's row)
_Part = tuple[str, int | None]


def queue_parts(tx: WriteTx, look: Look, takers: Mapping[str, tuple[str, ...]], at: datetime) -> None:
    """
    Queue what hangs on the subject of *look*; whether it is to stand, and where, its publisher finds out.

    takers: what each server takes, of PARTS.
    """
    if not takers:
        return
    for order_of, order_key in dict.fromkeys(_touched(tx, look)):
        kind = order_of.partition(":")[0]
        topic = CHART_ORDER if kind == ORDER else CHART_PART
        for server in (name for name, kinds in takers.items() if kind in kinds):
            enqueue.enqueue(tx, Work(topic, server, order_of, order_key=order_key), at)


def _touched(tx: ReadTx, look: Look) -> Iterable[_Part]:
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
    return _study(tx, studies.get(tx, look.row)) if look.kind == news.STUDY else ()


def _study(tx: ReadTx, study: Study) -> list[_Part]:
    uid = study.study_instance_uid
    named = [one.key for one in orders.by_study_uid(tx, uid)]
    found = [part for key in dict.fromkeys([*named, *filter(None, [study.order_key])]) for part in _order(tx, key)]
    found += [_performed(one.key, study.order_key) for one in performed.of_study(tx, uid)]
    return found + [part for one in reports.of_study(tx, uid) for part in _report(tx, one.key, one.order_key)]


def _order(tx: ReadTx, key: int) -> list[_Part]:
    found = [_performed(one.key, key) for one in performed.of_order(tx, key)]
    found += [part for one in reports.of_orders(tx, [key]) for part in _report(tx, one.key, key)]
    return [(enqueue.chart_part(ORDER, key), key), *found]


def _performed(key: int, order_key: int | None) -> _Part:
    return enqueue.chart_part(PROCEDURE, key), order_key


def _report(tx: ReadTx, key: int, order_key: int | None) -> list[_Part]:
    """Return a report and every document that ever came with it: one that came with an earlier version stands no more."""
    digests = dict.fromkeys(one.digest for said in reports.versions(tx, key) for one in said.content.documents)
    documents = [enqueue.chart_part(DOCUMENT, key, digest) for digest in digests]
    return [(order_of, order_key) for order_of in (enqueue.chart_part(REPORT, key), *documents)]
