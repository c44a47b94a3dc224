"""One case of the intake desk: what the images say, whom they may belong to, what was decided, and who is at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Incomplete, Malformed, Refused
from bridge.flows.attend_case import attend_case, leave_case
from bridge.store import orders, overlays, patients, studies
from bridge.store.db import ReadTx
from bridge.store.listings import known_patients, study_page
from bridge.store.listings.people import person_of
from bridge.web import case_sides, case_words, reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.desks import intake
from bridge.web.proposal_views import shown_proposals
from bridge.web.split_views import other_parts
from bridge.web.study_story import story_of

# One desk, two files: its pages' names in addresses stay.
blueprint = intake.blueprint

_MOST_FOUND = 8
_REASON_MAX = 400


@dataclass(frozen=True, slots=True)
class _Said:
    """What a person has typed and chosen so far; it outlives a refusal. found: whom the search led to, None before one."""

    because: str = ""
    reason: str = ""
    find: str = ""
    show: str = ""
    chosen: dict[int, int | None] = field(default_factory=dict)
    found: Sequence[int] | None = None

    @property
    def whole_reason(self) -> str:
        return ": ".join(filter(None, (self.because, self.reason)))


@blueprint.get("/mismatches/study/<int:study_key>")
@needs(Permission.DECIDE)
def study(study_key: int) -> str:
    """Show one case: what the images say, whom they may belong to, what will happen."""
    return _case(study_key, _Said())


@blueprint.post("/mismatches/study/<int:study_key>")
@needs(Permission.DECIDE)
def decide(study_key: int) -> Answer | str:
    """Search, bind, unbind, reject, reopen or read again; a refusal and a lost race keep what was typed."""
    action, _, choice = request.form.get("action", "").partition(":")
    said = _said()
    if action == "find":
        return _search(study_key, said)
    try:
        _carry_out(study_key, action, choice, said)
    except (Incomplete, Malformed, Conflict, Refused) as fault:
        is_lost = isinstance(fault, Conflict) and fault.code == "decided_meanwhile"
        said = _searched(said) if said.find else said
        return make_response(_case(study_key, said, "" if is_lost else fault.detail, is_lost=is_lost), 422)
    following = "intake.study" if action == "read_again" else "intake.decided"
    return redirect(url_for(following, study_key=study_key), 303)


@blueprint.post("/mismatches/study/<int:study_key>/proposals/<int:proposal_key>")
@needs(Permission.DECIDE)
def settle_proposal(study_key: int, proposal_key: int) -> Answer | str:
    """Confirm or decline what somebody else proposed, or withdraw one's own; a refusal keeps what was typed."""
    action, reason = request.form.get("action", ""), request.form.get("reason", "").strip()[:_REASON_MAX]
    desk, me = services().flows.studies.second_person, caller().name
    try:
        if action == "confirm":
            desk.confirm(proposal_key, me)
        elif action == "decline":
            desk.decline(proposal_key, reason, me)
        elif action == "withdraw":
            desk.withdraw(proposal_key, me)
        else:
            raise Incomplete("confirm, decline or withdraw", where="action")
    except (Incomplete, Conflict, Refused) as fault:
        status = 403 if isinstance(fault, Refused) else 422
        return make_response(_case(study_key, _Said(reason=reason), fault.detail), status)
    return redirect(url_for("intake.decided" if action == "confirm" else "intake.study", study_key=study_key), 303)


@blueprint.get("/mismatches/study/<int:study_key>/decided")
@needs(Permission.DECIDE)
def decided(study_key: int) -> str:
    """Say what was done, offer to undo it, and lead to the next case."""
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        proposed = shown_proposals(tx, view)
        following = intake.next_case(tx, study_key)
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template("intake/decided.html", view=view, following=following, proposed=proposed, words=case_words)


@blueprint.post("/mismatches/study/<int:study_key>/open")
@needs(Permission.DECIDE)
def keep_open(study_key: int) -> str:
    """Say that the caller still has the case open; returns who else has, and whether it was decided meanwhile."""
    here = services()
    others = attend_case(here.store, here.clock, study_key, caller().name)
    with here.store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
    seen = request.form.get("seen", "")
    is_stale = view.latest is not None and seen.isdecimal() and int(seen) != view.latest.key
    return render_template("intake/presence.html", view=view, others=others, is_stale=is_stale)


@blueprint.post("/mismatches/study/<int:study_key>/leave")
@needs(Permission.DECIDE)
def leave(study_key: int) -> Response:
    """Say that the caller's page of the case is gone."""
    leave_case(services().store, study_key, caller().name)
    return Response(status=204)


def _said() -> _Said:
    form = request.form
    chosen: dict[int, int | None] = {}
    for name, value in form.items():
        kind, _, key = name.partition("-")
        if kind == "order" and key.isdecimal() and len(key) <= 18 and len(value) <= 18:
            chosen[int(key)] = int(value) if value.isdecimal() else None
    return _Said(
        because=form.get("because", "").strip()[:_REASON_MAX],
        reason=form.get("reason", "").strip()[:_REASON_MAX],
        find=form.get("find", "").strip()[:200],
        show=form.get("show", "")[:20],
        chosen=chosen,
    )


def _search(study_key: int, said: _Said) -> Answer | str:
    """Show the case with whom the search led to; asked for nobody, say what there is to do."""
    if not said.find:
        return make_response(_case(study_key, said, "choose one of the answers below"), 422)
    return _case(study_key, _searched(said))


def _searched(said: _Said) -> _Said:
    """Return *said* with whom it searches for; an accession number chooses its order, too."""
    chosen = dict(said.chosen)
    with services().store.read() as tx:
        ordered = orders.by_accession(tx, said.find)[:_MOST_FOUND]
        owners = [patients.survivor(tx, one.patient_key).key for one in ordered]
        known = [one.key for one in known_patients.find(tx, said.find, _MOST_FOUND)]
    for owner, one in zip(owners, ordered, strict=True):
        chosen[owner] = one.key
    found = tuple(dict.fromkeys([*owners, *known]))[:_MOST_FOUND]
    reads.note_patients("patients_searched", found)
    return replace(said, chosen=chosen, found=found)


def _carry_out(study_key: int, action: str, choice: str, said: _Said) -> None:
    reason = said.whole_reason
    if action == "reject" and choice in case_words.REJECTIONS:
        reason = ": ".join(filter(None, (case_words.REJECTIONS[choice], reason)))
    elif action == "read_again":
        reason = reason or "read again by the device's rules"
    if not reason:
        raise Incomplete("say why, in a few words: it stays with the study", where="reason")
    seen = request.form.get("seen", "")
    with services().store.read() as tx:
        uid = studies.get(tx, study_key).study_instance_uid
        accession_number, patient = _target(tx, choice, said) if action == "bind" else (None, None)
    services().flows.decide_study(
        study_instance_uid=uid,
        action=action,
        accession_number=accession_number,
        patient=patient,
        reason=reason,
        actor=caller().name,
        seen=int(seen) if seen.isdecimal() and len(seen) <= 18 else None,
    )


def _target(tx: ReadTx, choice: str, said: _Said) -> tuple[str | None, tuple[str, str]]:
    """Return the order and the patient that a button named by the patient's row. Raises: Conflict."""
    if not choice.isdecimal() or len(choice) > 18:
        raise Conflict("say whose images these are", code="missing", where="action")
    try:
        person = person_of(patients.survivor(tx, int(choice)))
    except LookupError:
        raise Conflict("that patient is no longer on record: look again", code="case_changed") from None
    order_key = said.chosen.get(int(choice))
    accession_number = orders.get(tx, order_key).accession_number if order_key is not None else ""
    return accession_number or None, (person.patient_id, person.issuer_of_patient_id)


def _case(study_key: int, said: _Said, sentence: str = "", *, is_lost: bool = False) -> str:
    here = services()
    with here.store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        shown = study_page.series_of(tx, study_key)
        proposed = shown_proposals(tx, view)
        parts = other_parts(tx, study_key) if view.splits else []
        story = story_of(view.decisions, overlays.of_study(tx, study_key))
        found = said.found or ()
        choices, searched = ((), ()) if view.study.is_bound else case_sides.choices_of(tx, view, found, said.chosen)
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    reads.note_compared(study_key, (one.person for one in (*choices, *searched)))
    others = attend_case(here.store, here.clock, study_key, caller().name)
    return render_template(
        "intake/case.html",
        view=view,
        shown=shown,
        story=story,
        parts=parts,
        proposed=proposed,
        me=caller().name,
        choices=choices,
        searched=searched,
        again=[one for one in choices if one.person.key in found],
        said=said,
        sentence=sentence,
        is_lost=is_lost,
        others=others,
        is_stale=False,
        words=case_words,
        evidence_words=case_sides.evidence_words,
    )
