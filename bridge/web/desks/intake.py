"""The intake desk: the queue of studies whose patient is in doubt, and merges that can be undone."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.case_risk import CaseRisk
from bridge.errors import Incomplete
from bridge.store.db import ReadTx
from bridge.store.listings import mismatch_queue, queues
from bridge.store.listings.mismatch_queue import QueueFilter, QueueRow, QueueTally, read_queue, tally_queue
from bridge.store.listings.unscheduled import unscheduled as of_no_order
from bridge.web import case_words, paging, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("intake", __name__)

_RISKS = {risk.name.lower(): risk for risk in CaseRisk}
# A queue that looks the same says its ages anew so often.
_LOOKS_NEW_SECS = 300


@dataclass(frozen=True, slots=True)
class _Chip:
    """One choice. args: what the address says then; count: how many cases it leads to, None where nobody counts."""

    words: str
    args: dict[str, str]
    is_chosen: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class _Bar:
    """One age of the chart. share: of the tallest bar, in percent."""

    chip: _Chip
    share: int


@blueprint.get("/mismatches")
@needs(Permission.DECIDE)
def mismatches() -> Response | str:
    """Show the queue, or what was decided; to a page that shows it already, nothing where nothing has changed."""
    wanted, said = _wanted()
    with services().store.read() as tx:
        found = read_queue(tx, wanted, after=paging.place(), limit=paging.LIMIT + 1)
        tally = tally_queue(tx, wanted.now)
        unscheduled = [] if said or paging.place() else of_no_order(tx)
    rows, more = paging.cut(found, paging.LIMIT)
    stamp = _stamp(wanted, rows, tally)
    if request.args.get("seen") == stamp:
        return Response(status=204)
    reads.note("mismatches_listed", detail={"count": len(rows)})
    last = rows[-1].place if more else (None,)
    return render_template(
        "intake/mismatches.html",
        rows=rows,
        closed=wanted.is_closed,
        following=paging.next_url(last[0], last[1:], **said),
        unscheduled=unscheduled,
        tally=tally,
        chips=_chips(wanted, said, tally),
        bars=_bars(wanted, said, tally),
        said=said,
        stamp=stamp,
        words=case_words,
        me=caller().name,
        choosing="choose" in said,
    )


@blueprint.get("/merges")
@needs(Permission.DECIDE)
def merges() -> str:
    """Show what was merged, moved and renumbered and can be taken back, and the deleted records that have exams."""
    with services().store.read() as tx:
        found = queues.merge_rows(tx, before=paging.before(), limit=paging.LIMIT + 1)
        deleted = [] if paging.before() else queues.deleted_records(tx, paging.LIMIT)
    rows, more = paging.cut(found, paging.LIMIT)
    reads.note("merges_listed", detail={"count": len(rows)})
    following = paging.next_url(rows[-1].key if more else None)
    return render_template("intake/merges.html", rows=rows, deleted=deleted, following=following)


@blueprint.post("/merges/<int:merge_key>/undo")
@needs(Permission.DECIDE)
def undo_merge(merge_key: int) -> Response:
    """Take a merge, a move or a changed number back."""
    reason = request.form.get("reason", "").strip()
    if not reason:
        raise Incomplete("say why it was wrong", where="reason")
    services().flows.undo_merge(merge_key=merge_key, reason=reason, actor=caller().name)
    return redirect(url_for("intake.merges"), 303)


def next_case(tx: ReadTx, study_key: int) -> QueueRow | None:
    """Return the case to go on with after *study_key*: the first in the queue that nobody has open, else the first."""
    now, me = services().clock.now(), caller().name
    for wanted in (QueueFilter(now, open_by="nobody"), QueueFilter(now, open_by="me", actor=me), QueueFilter(now)):
        found = read_queue(tx, wanted, limit=1, but=study_key)
        if found:
            return found[0]
    return None


def _wanted() -> tuple[QueueFilter, dict[str, str]]:
    """Return what the address asks for, and that part of it which says so; what nobody offers is not heard."""
    args, now = request.args, services().clock.now()
    known = {
        "show": args.get("show") if args.get("show") == "closed" else "",
        "reason": args.get("reason", "")[:40],
        "risk": args.get("risk") if args.get("risk") in _RISKS else "",
        "device": args.get("device", "")[:64],
        "age": args.get("age") if args.get("age") in dict(mismatch_queue.AGES) else "",
        "open": args.get("open") if args.get("open") in mismatch_queue.LOOKED_AT else "",
        "asked": args.get("asked") if args.get("asked") in mismatch_queue.ASKED else "",
        "second": args.get("second") if args.get("second") == "waits" else "",
        "by": args.get("by") if args.get("by") == "me" else "",
        "choose": "1" if args.get("choose") and not args.get("show") else "",
        "sort": args.get("sort") if args.get("sort") in mismatch_queue.SORTS[1:] else "",
    }
    said = {key: value for key, value in known.items() if value}
    wanted = QueueFilter(
        now=now,
        rule=said.get("reason", ""),
        risk=_RISKS.get(said.get("risk", "")),
        device=said.get("device", ""),
        age=said.get("age", ""),
        open_by=said.get("open", ""),
        asked=said.get("asked", ""),
        is_proposed="second" in said,
        actor=caller().name,
        sort=said.get("sort", "risk"),
        is_closed="show" in said,
        decided_by=caller().name if "by" in said else "",
    )
    return wanted, said


def _chips(wanted: QueueFilter, said: dict[str, str], tally: QueueTally) -> dict[str, list[_Chip]]:
    """Return the choices by what they narrow; of a closed queue only whose decisions."""
    if wanted.is_closed:
        return {"Decided by": [_chip("me", said, "by", "me")]}
    rules = [_chip(case_words.rule_words(rule), said, "reason", rule, n) for rule, n in tally.rules.items()]
    risks = [_chip(case_words.RISKS[risk], said, "risk", risk.name.lower(), n) for risk, n in tally.risks.items()]
    devices = [_chip(device, said, "device", device, n) for device, n in tally.devices.items() if device]
    at_it = [_chip(words, said, "open", name) for name, words in case_words.LOOKED_AT.items()]
    asked = [_chip(words, said, "asked", name) for name, words in case_words.ASKED.items()]
    second = [_chip(case_words.SECOND, said, "second", "waits")] if services().flows.studies.second_person.asks else []
    sorts = [_chip(words, said, "sort", name) for name, words in case_words.SORTS.items()]
    offered = {"Reason": rules, "Risk": risks, "Device": devices, "At it": at_it, "Asked": asked, "Two people": second}
    offered["Order"] = sorts
    return {
        title: chips
        for title, chips in offered.items()
        if len(chips) > 1 or (chips and title == "Two people") or any(one.is_chosen for one in chips)
    }


def _chip(words: str, said: dict[str, str], key: str, value: str, count: int | None = None) -> _Chip:
    """Return one choice; chosen a second time, it is let go. The usual order needs no word in the address."""
    if key == "sort" and value == mismatch_queue.SORTS[0]:
        return _Chip(words, {name: text for name, text in said.items() if name != key}, key not in said)
    is_chosen = said.get(key) == value
    rest = {name: text for name, text in said.items() if name != key}
    return _Chip(words, rest if is_chosen and key != "sort" else {**said, key: value}, is_chosen, count)


def _bars(wanted: QueueFilter, said: dict[str, str], tally: QueueTally) -> list[_Bar]:
    """Return the chart of how long cases wait."""
    most = max((*tally.ages, 1))
    ages = zip(case_words.AGES.items(), tally.ages, strict=True)
    return [_Bar(_chip(words, said, "age", name, count), round(100 * count / most)) for (name, words), count in ages]


def _stamp(wanted: QueueFilter, rows: list[QueueRow], tally: QueueTally) -> str:
    """Return what changes when the queue would look otherwise."""
    shown: list[Any] = [[asdict(row) for row in rows], asdict(tally), int(wanted.now.timestamp()) // _LOOKS_NEW_SECS]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
