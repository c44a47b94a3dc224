"""Studies of another hospital, handed in through the browser: a ZIP of its disc, or the files themselves."""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, render_template, request
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Conflict, Incomplete, Malformed, Unsupported
from bridge.flows.import_media import Imported, Importing
from bridge.flows.media_files import uploaded_files
from bridge.store import studies
from bridge.web.access import caller, needs, origin, services

blueprint = Blueprint("imports", __name__)

# The form's own fields, and the file input that was left empty.
_OTHER_FIELDS = 10


@blueprint.get("/mismatches/import")
@needs(Permission.DECIDE)
def ask() -> str:
    """Ask for a disc."""
    return _page(None, "")


@blueprint.post("/mismatches/import")
@needs(Permission.DECIDE)
def take() -> Response | str:
    """Take in what was handed in, and say what came of it; a proposal stands in the name of whoever makes it."""
    number, issuer = (request.form.get(name, "").strip() for name in ("patient_id", "issuer"))
    try:
        files = [one for one in request.files.getlist("files") if one.filename]
        if not files:
            raise Incomplete("choose a ZIP, files or a folder", where="files")
        if issuer and not number:
            raise Incomplete("say the number, too, that this hospital gave", where="patient_id")
        whom = PatientIdentifier(number, issuer) if number else None
        streams = [(one.filename or "", one.stream) for one in files]
        done = services().flows.import_media(uploaded_files(streams), Importing(caller().name, origin(), whom))
    except (Conflict, Incomplete, Malformed, Unsupported) as fault:
        return make_response(_page(None, fault.detail), 422)
    return _page(done, "")


def _page(done: Imported | None, sentence: str) -> str:
    kept = {}
    with services().store.read() as tx:
        for uid in done.studies if done is not None else ():
            study = studies.by_uid(tx, uid)
            if study is not None:
                kept[uid] = study
    limit_mb = services().settings.http.max_body_mb
    most_files = current_app.config["MAX_FORM_PARTS"] - _OTHER_FIELDS
    return render_template(
        "intake/import.html", done=done, kept=kept, sentence=sentence, limit_mb=limit_mb, most_files=most_files
    )
