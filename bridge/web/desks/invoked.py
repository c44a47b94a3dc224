"""Images asked for by address: what another system's page links to, for whoever is signed in here.

Source: IHE RAD TF-2 4.106 (Invoke Image Display, RAD-106).
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.viewer_links import INVOKE_PATH
from bridge.errors import Incomplete, Malformed
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.listings import people_images
from bridge.store.listings.people_images import ShownStudy
from bridge.web import reads
from bridge.web.access import needs, services

blueprint = Blueprint("invoked", __name__)

_SOURCE = "IHE RAD TF-2 4.106.4.1.2"
_NAMED_MOST = 100


@blueprint.get(INVOKE_PATH)
@needs(Permission.READ_EXAMS)
def show() -> Response | str:
    """Open the bound studies that the address names: one at once, of several a list."""
    kind = _said("requestType").upper()
    if kind not in ("STUDY", "PATIENT"):
        raise Incomplete("STUDY or PATIENT is wanted", code="not_in_table", where="requestType", source=_SOURCE)
    with services().store.read() as tx:
        found = _studies(tx) if kind == "STUDY" else _latest(_of_patient(tx))
    reads.note_each("studies_invoked", [one.person for one in found])
    if not found:
        raise LookupError("no such study")
    if len(found) == 1:
        return redirect(url_for("studies.study", study_key=found[0].study.key), code=303)
    return render_template("studies/invoked.html", found=found, persons={one.person for one in found})


def _studies(tx: ReadTx) -> list[ShownStudy]:
    uids, numbers = _several("studyUID"), _several("accessionNumber")
    if not uids and not numbers:
        raise Incomplete("a study is named by studyUID or accessionNumber", where="studyUID", source=_SOURCE)
    if not uids:
        return people_images.by_accession_numbers(tx, numbers)
    return [one for one in people_images.by_uids(tx, uids) if not numbers or one.accession_number in numbers]


def _of_patient(tx: ReadTx) -> list[ShownStudy]:
    number, authority = _number(_said("patientID"))
    found = patients.find(tx, PatientIdentifier(number, authority))
    if found is None:
        return []
    since, until = _day("lowerDateTime"), _day("upperDateTime")
    kinds = _several("modalitiesInStudy")
    return [
        one
        for one in people_images.of_person(tx, found.key)
        if (not since or one.study.received.study_date >= since)
        and (not until or one.study.received.study_date <= until)
        and (not kinds or set(kinds) & set(one.modalities))
    ]


def _latest(found: Sequence[ShownStudy]) -> list[ShownStudy]:
    """Return what is left of studies, newest first, where only the most recent are wanted."""
    text = _said("mostRecentResults")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise Malformed("a number is wanted", where="mostRecentResults", source=_SOURCE)
    return list(found[: int(text)] if text and int(text) else found)


def _number(text: str) -> tuple[str, str]:
    """Return a patient's number and its authority by the name we keep: a CX, "ID^^^AUTHORITY&OID&ISO" or the number alone."""
    parts = [*text.split("^"), "", "", ""]
    name, oid = [*parts[3].split("&"), ""][:2]
    if not parts[0]:
        raise Incomplete("a patient is named by a number", where="patientID", source=_SOURCE)
    identity = services().settings.identity
    return parts[0], identity.name_of(oid or name) if oid or name else identity.authority


def _day(name: str) -> str:
    """Return the day of a date and time as DICOM writes it, "" where none is said."""
    text = _said(name)
    day = text[:10].replace("-", "")[:8]
    if text and (len(day) != 8 or not day.isdecimal()):
        raise Malformed("a date is wanted, YYYY-MM-DD or YYYYMMDD", where=name, source=_SOURCE)
    return day


def _several(name: str) -> list[str]:
    found = [one.strip() for one in _said(name).split(",") if one.strip()]
    if len(found) > _NAMED_MOST:
        raise Malformed(f"at most {_NAMED_MOST} are shown", code="too_many", where=name)
    return found


def _said(name: str) -> str:
    """Return a parameter, its letter case aside: the profile's own examples write some of them in two ways."""
    return next((value.strip() for key, value in request.args.items() if key.lower() == name.lower()), "")
