"""Files of payers and clearinghouses: which were taken in, which were not and why, and a mended copy in place of one."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bridge.codecs.x12.cutting import MAX_BYTES
from bridge.domain.accounts import Permission
from bridge.domain.payer_file import PayerFileState
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.take_payer_file import TakenFile
from bridge.store import payer_files
from bridge.web import paging, reads
from bridge.web.access import caller, needs, origin, services

blueprint = Blueprint("payer_files", __name__, url_prefix="/claims/files")

_STATES = {"refused": PayerFileState.REFUSED, "taken": PayerFileState.TAKEN}


def handed_in() -> tuple[bytes, str]:
    """Return the file of a form, its bytes and its name. Raises: Incomplete without one."""
    file = request.files.get("file")
    raw = file.stream.read(MAX_BYTES + 1) if file is not None else b""
    if file is None or not raw:
        raise Incomplete("choose a file", where="file")
    return raw, file.filename or ""


@blueprint.get("")
@needs(Permission.BILL)
def files() -> str:
    """Show the last files that came, whole or refused."""
    return _page(None, "")


@blueprint.get("/<int:file_key>")
@needs(Permission.BILL)
def download(file_key: int) -> Response:
    """Hand out a file as it came; it counts as exported. Source: RFC 6266."""
    _, content = services().flows.billing.claims.open(file_key, caller().name, origin())
    response = Response(content, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="payer-file-{file_key}.edi"'
    return response


@blueprint.post("/<int:file_key>/again")
@needs(Permission.BILL)
def take_again(file_key: int) -> AnyResponse | str:
    """Take in a mended copy of a refused file."""
    try:
        raw, name = handed_in()
        done = services().flows.billing.claims.take_again(file_key, raw, caller().name, name)
    except (Malformed, Incomplete, Conflict) as fault:
        return make_response(_page(None, fault.detail), 422)
    return _page(done, "")


def _page(done: TakenFile | None, sentence: str) -> str:
    wanted = request.args.get("state", "")
    with services().store.read() as tx:
        rows = payer_files.newest(tx, paging.LIMIT, _STATES.get(wanted))
    reads.note("payer_files_listed", detail={"count": len(rows)})
    return render_template("billing/payer_files.html", done=done, sentence=sentence, rows=rows, state=wanted)
