"""What a payer answered, as a file that is never shown by a browser; the same on the console and under /api."""

from __future__ import annotations

from flask import Response

from bridge.store import authorizations, payer_requests, submissions
from bridge.web import reads
from bridge.web.access import services


def answer(authorization_key: int, attachment_key: int, answer_key: int) -> Response:
    """Return an answer's bytes; audited. Raises: LookupError. Source: RFC 6266."""
    with services().store.read() as tx:
        found = submissions.answer(tx, answer_key)
        if found.submission_key is None:
            raise LookupError("no such answer")
        attachment = authorizations.get_attachment(tx, submissions.get(tx, found.submission_key).attachment_key)
        if (attachment.key, attachment.authorization_key) != (attachment_key, authorization_key):
            raise LookupError("no such answer")
        patient_key = authorizations.get(tx, authorization_key).patient_key
    about = {"attachment": attachment_key, "answer": answer_key}
    reads.note("payer_answer_viewed", patient_key=patient_key, study_key=attachment.study_key, detail=about)
    return _file(found.content, answer_key)


def answer_to_request(authorization_key: int, answer_key: int) -> Response:
    """Return the bytes of what a payer answered when it was asked about an authorization; audited. Raises: LookupError."""
    with services().store.read() as tx:
        mine = payer_requests.answers_of(tx, authorization_key)
        found = next((one for one in mine if one.key == answer_key), None)
        if found is None:
            raise LookupError("no such answer")
        patient_key = authorizations.get(tx, authorization_key).patient_key
    reads.note("payer_answer_viewed", patient_key=patient_key, detail={"answer": answer_key})
    return _file(found.body, answer_key)


def _file(content: bytes, answer_key: int) -> Response:
    response = Response(content, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="answer-{answer_key}.bin"'
    return response
