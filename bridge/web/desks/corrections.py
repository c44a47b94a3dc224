"""Correcting what leaves of a bound study: chosen in words, seen before it is made, taken back as a version of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.correctable import CORRECTABLE, ONLY_TAKEN_OFF
from bridge.domain.overlay import Change
from bridge.errors import Conflict, Incomplete, Malformed, Unsupported
from bridge.flows.correct_study import Correction
from bridge.store import overlays, studies
from bridge.store.listings import study_page
from bridge.web import reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.study_story import words_of
from bridge.web.study_views import uid_of

blueprint = Blueprint("corrections", __name__)

_CODE_PARTS = ("code", "meaning", "scheme")
_LONGEST_VALUE, _LONGEST_REASON = 400, 1000
# What a rule says of a value, as the form's own fields would put it.
_IN_WORDS = {
    "bad_code": "give the code, what it means and the scheme it is of, all three",
    "bad_date": "not a date",
    "no_change": "it leaves so already",
}


@dataclass(frozen=True, slots=True)
class _Typed:
    """A form as it came: values by keyword, "" to erase; typed: each field as it was filled in."""

    values: dict[str, str]
    typed: dict[str, str]
    reason: str
    seen: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the form says back. wrong: sentences by keyword; changes: what would leave otherwise, None if nobody asked."""

    sentence: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] | None = None


@blueprint.get("/studies/<int:study_key>/correct")
@needs(Permission.DECIDE)
def form(study_key: int) -> str:
    """Show what may be corrected, and what it leaves with now."""
    return _page(study_key, _Typed({}, {}, "", ""), _Shown())


@blueprint.post("/studies/<int:study_key>/correct")
@needs(Permission.DECIDE)
def correct(study_key: int) -> Response:
    """Show what a correction would change; make it once that was seen."""
    uid, typed = uid_of(study_key), _typed()
    corrector, is_wanted = services().flows.studies.corrector, request.form.get("then") == "make"
    try:
        changes = corrector.preview(uid, typed.values)
        shown = _shown(typed, changes, is_seen=not is_wanted or typed.seen == _seen(uid, typed.values))
        if is_wanted and changes and not shown.sentence:
            corrector.correct(uid, Correction(typed.values, typed.reason, caller().name))
            return redirect(url_for("studies.study", study_key=study_key, _anchor="versions"), 303)
    except (Incomplete, Malformed, Conflict, Unsupported) as fault:
        shown = _refused(fault, typed)
    return make_response(_page(study_key, typed, shown), 422 if shown.sentence else 200)


@blueprint.get("/studies/<int:study_key>/versions/<int:number>/undo")
@needs(Permission.DECIDE)
def ask_undo(study_key: int, number: int) -> str:
    """Show what taking a correction back would change."""
    return _undo_page(study_key, number, "", "")


@blueprint.post("/studies/<int:study_key>/versions/<int:number>/undo")
@needs(Permission.DECIDE)
def undo(study_key: int, number: int) -> Response:
    """Take a correction back."""
    reason = request.form.get("reason", "").strip()[:_LONGEST_REASON]
    try:
        services().flows.studies.corrector.undo(uid_of(study_key), number, reason, caller().name)
    except Incomplete as fault:
        return make_response(_undo_page(study_key, number, reason, fault.detail), 422)
    return redirect(url_for("studies.study", study_key=study_key, _anchor="versions"), 303)


def _page(study_key: int, typed: _Typed, shown: _Shown) -> str:
    uid = uid_of(study_key)
    standing = services().flows.studies.corrector.standing(uid)
    with services().store.read() as tx:
        view = study_views.read(tx, uid, caller())
        copies = study_page.copies_of(tx, study_key)
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template(
        "studies/correct.html",
        view=view,
        copies=copies,
        open=[one for one in standing if one.is_open and (one.value or one.keyword not in ONLY_TAKEN_OFF)],
        closed=[one for one in standing if not one.is_open],
        typed=typed,
        shown=shown,
        seen=_seen(uid, typed.values) if shown.changes else "",
        words_of=words_of,
        only_taken_off=ONLY_TAKEN_OFF,
        code_parts=_CODE_PARTS,
    )


def _undo_page(study_key: int, number: int, reason: str, sentence: str) -> str:
    uid = uid_of(study_key)
    changes = services().flows.studies.corrector.preview_undo(uid, number)
    with services().store.read() as tx:
        view = study_views.read(tx, uid, caller())
        version = next(one for one in overlays.of_study(tx, study_key) if one.number == number)
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template(
        "studies/undo.html",
        view=view,
        version=version,
        changes=changes,
        reason=reason,
        sentence=sentence,
        words_of=words_of,
    )


def _typed() -> _Typed:
    """Return what the form says: a field left empty changes nothing, one that is ticked off is erased."""
    typed, values = dict[str, str](), dict[str, str]()
    for keyword in CORRECTABLE:
        parts = [f"{keyword}-{part}" for part in _CODE_PARTS] if keyword == "ProcedureCodeSequence" else [keyword]
        said = [request.form.get(part, "").strip()[:_LONGEST_VALUE] for part in parts]
        typed |= dict(zip(parts, said, strict=True))
        if any(said):
            values[keyword] = said[0].replace("-", "") if keyword == "PatientBirthDate" else "^".join(said)
        if f"{keyword}-off" in request.form:
            typed[f"{keyword}-off"], values[keyword] = "on", ""
    reason = request.form.get("reason", "").strip()[:_LONGEST_REASON]
    return _Typed(values, typed, reason, request.form.get("seen", ""))


def _seen(uid: str, values: dict[str, str]) -> str:
    """Return what marks a correction of a study as it is now, so that only what was seen is made."""
    with services().store.read() as tx:
        study = studies.by_uid(tx, uid)
    assert study is not None
    marked = json.dumps([uid, study.binding_version, sorted(values.items())])
    return hashlib.sha256(marked.encode()).hexdigest()[:32]


def _shown(typed: _Typed, changes: tuple[Change, ...], *, is_seen: bool) -> _Shown:
    """Return what to say of *changes*: a sentence only where they cannot be made now."""
    if not changes:
        return _Shown("Nothing would leave otherwise: it says so already.")
    if not is_seen:
        return _Shown("The study or your entries have changed since you looked. Look once more.", {}, changes)
    if request.form.get("then") == "make" and not typed.reason:
        return _Shown("Say why: it stays with the study.", {"reason": "a few words"}, changes)
    return _Shown("", {}, changes)


def _refused(fault: Incomplete | Malformed | Conflict | Unsupported, typed: _Typed) -> _Shown:
    """Return why a correction cannot be made, beside the field it is about where it is about one."""
    sentence = _IN_WORDS.get(fault.code, fault.detail)
    if fault.where in CORRECTABLE and fault.where in typed.values:
        return _Shown(f"{CORRECTABLE[fault.where]}: {sentence}.", {fault.where: sentence})
    if fault.where == "attributes":
        return _Shown("Fill in what should leave otherwise, or tick what should be taken off.")
    return _Shown(f"{sentence[:1].upper()}{sentence[1:]}.")
