"""Today's board: who is done where and when, moved and marked by people, current without reloading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.by_hand import is_move, may_take_back
from bridge.domain.order import Step, StepStatus
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.change_step import Seen
from bridge.store import orders, questions
from bridge.store.listings import board as cards
from bridge.store.listings import exams
from bridge.store.listings.board import Card
from bridge.web import reads
from bridge.web.access import caller, needs, services
from bridge.web.board import Board, Ground, answers_for, draw, face_of, stamp_of

blueprint = Blueprint("board", __name__)

_BOARD_MAX = 2000
_LOOSE_MAX = 60
_YEARS = (1900, 2999)


@dataclass(frozen=True, slots=True)
class _View:
    """What the address asks for."""

    day: datetime
    device: str
    modality: str

    @property
    def args(self) -> dict[str, Any]:
        said = {"day": self.day.strftime("%Y-%m-%d"), "device": self.device, "modality": self.modality}
        return {name: value for name, value in said.items() if value and not (name == "day" and self.is_today)}

    @property
    def is_today(self) -> bool:
        return self.day.date() == _now().date()


@dataclass(frozen=True, slots=True)
class _Day:
    """What a day's board is drawn from. etag: the same as long as it looks the same."""

    cards: list[Card]
    loose: list[Card]
    etag: str


@blueprint.get("/today")
@needs(Permission.READ_EXAMS)
def today() -> str:
    """Show a day by device and hour, or one device's day in the order of the work."""
    view = _view()
    day = _read(view)
    drawn = _draw(view, day)
    newest, asked = [], 0
    with services().store.read() as tx:
        if caller().may(Permission.ANSWER_QUESTIONS):
            asked = questions.count_open(tx, view.device)
        if not (drawn.lanes or drawn.sections or view.device or view.modality):
            newest = exams.recent(tx, before=None, limit=20, unbound=caller().sees_unbound)
    reads.note("exams_listed", detail={"count": sum(number for _, _, number in drawn.tally) or len(newest)})
    return render_template(
        "exams/today.html",
        **_shown(view, drawn),
        is_cut=len(day.cards) == _BOARD_MAX,
        etag=day.etag,
        newest=newest,
        asked=asked,
        changed=_changed(request.args.get("changed", "")),
        before=(view.day - timedelta(days=1)).strftime("%Y-%m-%d"),
        after=(view.day + timedelta(days=1)).strftime("%Y-%m-%d"),
    )


@blueprint.get("/today/live")
@needs(Permission.READ_EXAMS)
def live() -> Response:
    """Give the board anew if it has changed since; nothing is drawn, and nothing audited, where it has not."""
    view = _view()
    day = _read(view)
    if request.headers.get("If-None-Match") == day.etag:
        answer = make_response("", 304)
    else:
        drawn = _draw(view, day)
        reads.note("exams_listed", detail={"count": sum(number for _, _, number in drawn.tally)})
        answer = make_response(render_template("exams/board.html", **_shown(view, drawn), etag=day.etag))
    answer.headers["ETag"] = day.etag
    answer.headers["X-Now"] = _now().strftime("%H:%M:%S")
    return answer


@blueprint.get("/today/steps/<int:step_key>")
@needs(Permission.READ_EXAMS)
def step(step_key: int) -> str:
    """Show one step: where it stands, and what a person may say of it."""
    return _step(step_key, "", {})


@blueprint.post("/today/steps/<int:step_key>/move")
@needs(Permission.MOVE_EXAMS)
def move(step_key: int) -> Response | str:
    """Move a step to another device or time; a lost race keeps what was typed."""
    form = request.form
    start = f"{form.get('date', '').strip()} {form.get('time', '').strip()[:5]}"
    device = form.get("device", "").strip()
    if device and not _is_known(device):
        return _refused(step_key, "No device of that name is known here.")
    return _change(step_key, lambda seen: services().flows.step_changer.reschedule(seen, device, start))


@blueprint.post("/today/steps/<int:step_key>/mark")
@needs(Permission.MOVE_EXAMS)
def mark(step_key: int) -> Response | str:
    """Say how far an exam is."""
    try:
        status = StepStatus(request.form.get("status", ""))
    except ValueError:
        raise Malformed("no such state", code="not_in_table", where="status") from None
    return _change(step_key, lambda seen: services().flows.step_changer.mark(seen, status))


@blueprint.post("/today/steps/<int:step_key>/undo")
@needs(Permission.MOVE_EXAMS)
def undo(step_key: int) -> Response | str:
    """Take back the last thing that was said of a step by hand."""
    return _change(step_key, services().flows.step_changer.take_back)


def _change(step_key: int, change: Callable[[Seen], None]) -> Response | str:
    form = request.form
    if not form.get("version", "").isdecimal():
        raise Malformed("the form names no version", code="invalid_value", where="version")
    seen = Seen(step_key, int(form["version"][:9]), caller().name, form.get("reason", "").strip()[:300])
    try:
        change(seen)
    except (Conflict, Incomplete, Malformed) as fault:
        return _refused(step_key, fault.detail)
    if form.get("then") == "exam":
        with services().store.read() as tx:
            order_key = cards.of_step(tx, step_key, unbound=False).order_key
        return redirect(url_for("exams.exam", reference=f"order-{order_key}"), 303)
    return redirect(url_for("board.today", **_view().args, changed=step_key), 303)


def _refused(step_key: int, sentence: str) -> Response:
    return make_response(_step(step_key, sentence, request.form.to_dict()), 409)


def _step(step_key: int, sentence: str, typed: dict[str, str]) -> str:
    with services().store.read() as tx:
        card = cards.of_step(tx, step_key, unbound=caller().sees_unbound)
        found = orders.get_steps(tx, [step_key])[0]
        patient_key = orders.get(tx, found.order_key).patient_key
    reads.note("step_viewed", order_key=found.order_key, patient_key=patient_key)
    ground = _ground()
    return render_template(
        "exams/step.html",
        face=face_of(card, ground),
        card=card,
        answers=answers_for(found.status),
        undoable=_last(found),
        titles=sorted({*ground.devices, *found.scheduled_station_ae_title[:1]}),
        view=_view().args,
        sentence=sentence,
        typed=typed,
    )


def _is_known(device: str) -> bool:
    """Say whether a step may be moved there: a configured device, or a station that orders have named."""
    if device in _scanners():
        return True
    with services().store.read() as tx:
        return cards.is_named(tx, device)


def _read(view: _View) -> _Day:
    with services().store.read() as tx:
        found = cards.on_day(tx, view.day.strftime("%Y%m%d"), _BOARD_MAX, unbound=caller().sees_unbound)
        loose = cards.without_time(tx, _LOOSE_MAX) if view.day.date() >= _now().date() else []
    return _Day(found, loose, f'"{stamp_of(found, loose, _now())}"')


def _draw(view: _View, day: _Day) -> Board:
    return draw(day.cards, day.loose, _ground(), view.device, view.modality)


def _addresses(view: _View) -> Callable[..., str]:
    """Return what gives a step's address; made once, as a board has hundreds of them."""
    before, _, after = url_for("board.step", step_key=0, **view.args).partition("/0")

    def address(step_key: int, what: str = "") -> str:
        return f"{before}/{step_key}{what}{after}"

    return address


def _shown(view: _View, drawn: Board) -> dict[str, object]:
    return {
        "view": view.args,
        "day": view.day,
        "device": view.device,
        "modality": view.modality,
        "board": drawn,
        "address": _addresses(view),
        "now": _now(),
        "devices": sorted({*_scanners(), *(lane.title for lane in drawn.lanes if lane.device)}),
        "modalities": sorted({lane.modality for lane in drawn.lanes if lane.modality}),
    }


def _changed(step_key: str) -> dict[str, object] | None:
    """Return what was just said of a step by hand, to say so and to offer its undo; None if it says nothing (more)."""
    if not step_key.isdecimal() or len(step_key) > 18:
        return None
    with services().store.read() as tx:
        found = orders.get_steps(tx, [int(step_key)])
        if not found:
            return None
        card = cards.of_step(tx, found[0].key, unbound=False)
    return {"face": face_of(card, _ground()), "last": _last(found[0]), "version": found[0].version}


def _last(found: Step) -> str:
    """Return of what kind the last thing is that was said by hand and can be taken back: "move", "mark", "" for none."""
    if not may_take_back(found):
        return ""
    return "move" if is_move(found.by_hand[-1]) else "mark"


def _ground() -> Ground:
    with services().store.read() as tx:
        profiles = services().flows.device_profiles(tx)
    return Ground(_now(), {title: profiles[title] for title in _scanners()})


def _scanners() -> set[str]:
    """Return the configured devices that perform exams."""
    return {one.ae_title for one in services().settings.dicom.peers if "modality" in one.roles}


def _now() -> datetime:
    here = services()
    return here.clock.now().astimezone(here.settings.time_zone)


def _view() -> _View:
    said = request.args
    return _View(_day(said.get("day", "")), said.get("device", "")[:64], said.get("modality", "")[:16])


def _day(text: str) -> datetime:
    if not text:
        return _now()
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=services().settings.time_zone)
    except ValueError:
        raise Malformed("YYYY-MM-DD is wanted", where="day") from None
    if not _YEARS[0] <= day.year <= _YEARS[1]:
        raise Malformed("no such year here", where="day")
    return day
