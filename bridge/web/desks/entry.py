"""A new exam at the counter: who it is, what is to be done, on which device; and an order's cancellation by a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import digest_of
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed
from bridge.flows.enter_order import KEY_USED, Repeat
from bridge.flows.sign_in import remember_search
from bridge.store import patients
from bridge.store.listings import known_patients, known_procedures
from bridge.store.listings.known_procedures import KnownProcedure
from bridge.store.listings.people import Person, person_of
from bridge.web import reads
from bridge.web.access import caller, needs, services, session

blueprint = Blueprint("entry", __name__)

_PEOPLE_MAX = 20
_PROCEDURES_MAX = 300
NEW = "new"
_ANY = "any:"
_ONCE_MAX = 64
_KEY = re.compile(r"[0-9]{1,18}")
_ROW = re.compile(r"order-([0-9]{1,18})")
# The fields of the form that a fault of an order may name.
_FIELD_OF = {
    "patient": "who",
    "patient.patient_id": "patient_id",
    "patient.name": "family",
    "patient.birth_date": "birth_date",
    "patient.sex": "sex",
    "scheduled": "date",
    "station_ae_title": "device",
    "modality": "device",
    "procedure.code": "procedure",
    "procedure.meaning": "procedure",
    "visit.admission_id": "visit",
    "authorization.number": "authorization",
}


@blueprint.get("/exams/new")
@needs(Permission.ENTER_ORDERS)
def new() -> str:
    """Ask who it is."""
    return render_template("exams/new.html", asked=False, text="", faults={}, said={})


@blueprint.post("/exams/new/who")
@needs(Permission.ENTER_ORDERS)
def look_up() -> Response:
    """Keep what was typed with the session and go on to the form: the address never holds it."""
    number = remember_search(services().store, session(), request.form.get("q", "").strip())
    return redirect(url_for("entry.form", number=number), 303)


@blueprint.get("/exams/new/<int:number>")
@needs(Permission.ENTER_ORDERS)
def form(number: int) -> Response | str:
    """Show whom the text may mean, and ask for the rest."""
    searches = session().searches
    if not 1 <= number <= len(searches):
        return redirect(url_for("entry.new"), 303)
    return _page(number, searches[number - 1], {}, [])


@blueprint.post("/exams/new/<int:number>")
@needs(Permission.ENTER_ORDERS)
def enter(number: int) -> Response | str:
    """Put the exam on the worklist; what is wrong is said beside its field, and nothing that was typed is lost."""
    searches = session().searches
    text = searches[number - 1] if 1 <= number <= len(searches) else ""
    said = request.form.to_dict()
    once = said.pop("once", "")[:_ONCE_MAX]
    typed = {name: value for name, value in said.items() if name != "csrf_token"}
    try:
        digest = digest_of(orjson.dumps(typed, option=orjson.OPT_SORT_KEYS))
        repeat = Repeat(f"form:{once}", digest) if once else None
        entered = services().flows.enter_order(said=_order(said), actor=caller().name, repeat=repeat)
    except (Incomplete, Malformed, Conflict) as fault:
        if fault.code != KEY_USED:
            return make_response(_page(number, text, {**said, "once": once}, _faults(fault)), 422)
        faults = [("", "this form was sent before, and what it said then is entered: send it again for one more exam")]
        return make_response(_page(number, text, said, faults), 422)
    return redirect(url_for("exams.exam", reference=f"order-{entered.order.key}"), 303)


@blueprint.post("/exams/<reference>/cancel")
@needs(Permission.ENTER_ORDERS)
def cancel(reference: str) -> Response:
    """Cancel an exam that nobody has started."""
    row = _ROW.fullmatch(reference)
    if row is None:
        raise LookupError(reference)
    reason = request.form.get("reason", "")
    services().flows.cancel_order(order_key=int(row[1]), reason=reason, actor=caller().name)
    return redirect(url_for("exams.exam", reference=reference), 303)


def _page(number: int, text: str, said: Mapping[str, str], faults: list[tuple[str, str]]) -> str:
    here = services()
    with here.store.read() as tx:
        people = known_patients.find(tx, text, _PEOPLE_MAX) if text else []
        procedures = known_procedures.recent(tx, _PROCEDURES_MAX)
    reads.note_each("patients_searched", people)
    now = here.clock.now().astimezone(here.settings.time_zone)
    soon = now - timedelta(minutes=now.minute % 5)
    devices = [peer for peer in here.settings.dicom.peers if "modality" in peer.roles]
    return render_template(
        "exams/new.html",
        asked=True,
        number=number,
        text=text,
        said=said,
        once=said.get("once") or here.clock.new_id(),
        people=people,
        typed=_typed(text),
        procedures=procedures,
        devices=devices,
        modalities=sorted({peer.modality for peer in devices if peer.modality} | _MODALITIES),
        today=f"{now:%Y-%m-%d}",
        now=f"{soon:%H:%M}",
        faults=dict(reversed(faults)),
        asks_again=any(place == "who" and "confirm" in sentence for place, sentence in faults),
    )


_MODALITIES = {"CT", "MR", "US", "DX", "CR", "MG", "NM", "PT", "XA", "RF", "ES", "ECG", "OP", "OT"}


def _typed(text: str) -> dict[str, str]:
    """Return what was looked for as fields of somebody new."""
    if any(character.isdigit() for character in text):
        dates = known_patients.birth_dates_in(text)
        if len(dates) != 1:
            return {"patient_id": text} if " " not in text and "," not in text else {}
        day = dates.pop()
        return _typed(known_patients.without_dates(text)) | {"birth_date": f"{day[:4]}-{day[4:6]}-{day[6:]}"}
    family, comma, given = text.replace("^", ",").partition(",")
    if not comma:
        family, _, given = text.partition(" ")
    return {"family": family.strip(), "given": given.replace("^", " ").strip()}


def _order(said: Mapping[str, str]) -> dict[str, Any]:
    """Return the form as an order that is typed."""
    device = said.get("device", "")
    order: dict[str, Any] = {"patient": _patient(said)}
    procedure = _procedure(said.get("procedure", "").strip())
    order |= {
        "procedure": {"code": procedure.code, "scheme": procedure.scheme, "meaning": procedure.meaning},
        "scheduled": f"{said.get('date', '')}T{said.get('time', '')}".strip("T"),
        "priority": "STAT" if said.get("stat") else "ROUTINE",
    }
    if device.startswith(_ANY):
        order["modality"] = device.removeprefix(_ANY)
    elif device:
        peer = next((one for one in services().settings.dicom.peers if one.ae_title == device), None)
        order |= {"station_ae_title": device, "modality": (peer.modality if peer else "") or procedure.modality}
    elif procedure.modality:
        order["modality"] = procedure.modality
    plain = ("reason", "comments", "accession_number", "placer_order_number", "referring_physician_name")
    order |= {name: said[name] for name in plain if said.get(name, "").strip()}
    if said.get("visit", "").strip():
        order["visit"] = {"admission_id": said["visit"]}
        if not procedure.meaning:
            del order["procedure"]
    if said.get("authorization", "").strip():
        order["authorization"] = {"number": said["authorization"], "payer_name": said.get("payer", "")}
    return order


def _patient(said: Mapping[str, str]) -> dict[str, Any]:
    who = said.get("who", "")
    if who != NEW:
        if not _KEY.fullmatch(who):
            raise Incomplete("choose who it is", code="missing", where="patient")
        with services().store.read() as tx:
            known: Person = person_of(patients.survivor(tx, int(who)))
        return {
            "patient_id": known.patient_id,
            "issuer_of_patient_id": known.issuer_of_patient_id,
            "name": known.name or "UNKNOWN",
            "confirmed": True,
        }
    family, given = said.get("family", "").strip(), said.get("given", "").strip()
    typed: dict[str, Any] = {"name": f"{family}^{given}".rstrip("^")}
    typed |= {name: said[name] for name in ("patient_id", "birth_date", "sex") if said.get(name, "").strip()}
    return typed | {"confirmed": bool(said.get("confirmed"))}


def _procedure(text: str) -> KnownProcedure:
    """Return the procedure of that name or code, as it was ordered here before; else the text as it is."""
    wanted = text.casefold()
    with services().store.read() as tx:
        known = known_procedures.recent(tx, _PROCEDURES_MAX) if wanted else []
    for one in known:
        if wanted in (one.meaning.casefold(), one.code.casefold()):
            return one
    return KnownProcedure("", "", text, "")


def _faults(fault: BridgeError) -> list[tuple[str, str]]:
    each = fault.faults if isinstance(fault, Incomplete) and fault.faults else ((fault.where, fault.to_caller),)
    return [(_FIELD_OF.get(where, where), sentence) for where, sentence in each]
