"""The message journal, replay, and HL7 over HTTP."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, request

from bridge.codecs.hl7.ack import split_answers
from bridge.codecs.hl7.batch import is_batch
from bridge.domain.accounts import Permission
from bridge.errors import Malformed, Unsupported
from bridge.store import messages
from bridge.store.listings import journal
from bridge.store.listings.message_search import MessageSearch
from bridge.web import message_filters, message_views, paging, reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.api import shapes

blueprint = Blueprint("api_messages", __name__, url_prefix="/api")

HL7 = "application/hl7-v2"
_MSA = re.compile(rb"[\r\n]MSA.(A[AER]|C[AER])")
# What HTTP says of an answer: AE and CE are the sender's to mend, AR and CR its right to send or ours to be able.
_STATUS_OF = {b"AA": 200, b"CA": 200, b"AE": 422, b"CE": 422, b"AR": 403, b"CR": 403}
# The code between two delimiters, whichever the sender's are, in both forms of ERR.
_LATER = re.compile(rb"[\r\n]ERR[^\r\n]*[^\w\s]207[^\w\s]")


@blueprint.get("/messages")
@needs(Permission.READ_MESSAGES)
def list_messages() -> Response:
    """Find messages by any of their numbers, type, outcome, sender and time; without any of them the newest."""
    wanted, size = message_filters.of_query(request.args), paging.limit()
    with services().store.read() as tx:
        matches = list(paging.narrowed() or ())
        if wanted.holds_patient_data and not matches:
            matches = MessageSearch(tx, wanted).page(limit=paging.MATCHES_MAX)
        if matches:
            keys = paging.after(matches, size + 1)
        elif wanted.holds_patient_data:
            keys = []
        else:
            keys = MessageSearch(tx, wanted).page(after=paging.before(), limit=size + 1)
        rows, more = paging.cut(journal.by_keys(tx, keys), size)
    reads.note("messages_listed", detail={"count": len(rows)})
    parameters = {} if matches else message_filters.in_address(request.args)
    following = paging.next_url(rows[-1].key if more else None, matches, **parameters)
    return jsonify(messages=[shapes.message_row(row) for row in rows], next=following)


@blueprint.get("/messages/<int:message_key>")
@needs(Permission.READ_MESSAGES)
def read_message(message_key: int) -> Response:
    """Return one message: raw, parsed, answered, and where each mapped value came from."""
    with services().store.read() as tx:
        message = messages.get(tx, message_key)
        exams, patient_keys = journal.subjects(tx, message_key)
    reads.note_keys("message_viewed", patient_keys, message_key)
    row = journal.MessageRow(*(getattr(message, name) for name in journal.MessageRow.__slots__))
    read = message_views.parsed(message)
    said = shapes.message_row(row) | {
        "raw": message_views.raw_text(message.raw, message.charset),
        "answer": message_views.raw_text(message.answer, message.charset),
        "unreadable": read.fault or None,
        "segments": [
            {"segment": one.name, "fields": [{"where": f.where, "label": f.label, "text": f.text} for f in one.fields]}
            for one in read.segments
        ],
        "trace": [
            {"target": line.target, "source": line.source, "rule": line.rule, "value": line.value}
            for line in message.trace
        ],
        "notices": [{"severity": n.severity, "where": n.where, "detail": n.detail} for n in message.notices],
        "exams": [row.id for row in exams],
    }
    return jsonify(said)


@blueprint.post("/messages/<int:message_key>/replay")
@needs(Permission.READ_MESSAGES)
def replay_message(message_key: int) -> Response:
    """Process a journalled message again."""
    with services().store.read() as tx:
        messages.get(tx, message_key)
    state = services().flows.replay_message(message_key=message_key, actor=caller().name)
    return jsonify(id=message_key, state=str(state))


@blueprint.post("/hl7")
@needs(Permission.SEND_HL7)
def receive_hl7() -> Response:
    """Take one HL7 v2 message or batch; the ACK is the body. 200 for AA; 422 for AE; 403, or 503 if later may work, for AR."""
    if request.mimetype != HL7:
        raise Unsupported(f"send {HL7}", where="Content-Type")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported("compressed bodies are not read", where="Content-Encoding")
    raw = request.get_data(cache=False)
    if not raw:
        raise Malformed("the body is empty")
    answer = services().flows.receive_message(raw, f"{caller().name}@{origin()}")
    if not is_batch(answer):
        # One request has one body: of two answers the last says what became of the message.
        answer = b"".join(split_answers(answer)[-1:])
    return Response(answer, status_of(answer), content_type=HL7)


def status_of(answer: bytes) -> int:
    """
    Return the HTTP status for an ACK, or for the worst of a batch of them.

    A message that wants no answer (MSH-15, MSH-16) was taken.
    """
    if not answer:
        return 204
    codes = set(_MSA.findall(answer))
    if not codes:
        return 200 if is_batch(answer) else 500
    if _LATER.search(answer):
        return 503
    return max(_STATUS_OF[code] for code in codes)
