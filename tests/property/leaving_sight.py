"""What must be so of a story of `leaving_world`, looked at from outside: at the EHR, at the payers, in the audit trail."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from bridge.domain.attachment import AttachmentKind, AttachmentState
from bridge.domain.incident import DisclosureKind
from bridge.domain.submission import IS_THERE
from bridge.store import (
    authorizations,
    chart_withdrawals,
    incidents,
    packets,
    patients,
    rejections,
    studies,
    submissions,
)
from bridge.store.db import ReadTx
from bridge.store.tables import attachments, audit_rows
from bridge.store.tables import studies as studies_table
from tests.property.leaving_places import Copy
from tests.property.leaving_world import LeavingWorld

Json = dict[str, Any]
_OVER: Final = ("entered-in-error", "cancelled")


class Sight:
    """Everything that can be seen of *world* from outside. Each raises AssertionError where something is wrong."""

    def __init__(self, world: LeavingWorld) -> None:
        self._world = world
        self._store = world.house.store

    def charts_hold_what_is_bound(self) -> None:
        """Every bound study stands once, whole, in its patient's chart, and no other one stands at all."""
        standing: dict[str, list[Json]] = {}
        for one in self._resources("ImagingStudy"):
            if one["status"] not in _OVER:
                standing.setdefault(_uid(one), []).append(one)
        with self._store.read() as tx:
            keys = list(tx.execute(select(studies_table.c.key)).scalars())
            for study in (studies.get(tx, key) for key in keys):
                shown = rejections.shown_uids(tx, study.key)
                is_out = not shown or chart_withdrawals.withdrawal_of(tx, study.key) is not None
                found = standing.pop(study.study_instance_uid, [])
                if not study.is_bound or study.patient_key is None or is_out:
                    assert not found, f"{study.state} stands in a chart"
                    continue
                assert len(found) == 1, f"a bound study stands {len(found)} times"
                number = patients.get(tx, study.patient_key).primary.patient_id
                assert found[0]["subject"]["reference"] == self._world.charts[number], "it stands in another chart"
                assert found[0]["numberOfInstances"] == len(shown), "the chart tells of other images"
        assert not standing

    def claims_name_what_is_theirs(self) -> None:
        """A Claim at the EHR names just the studies that are attached to it and its patient's own."""
        with self._store.read() as tx:
            rows = tx.execute(select(attachments.c.key).where(attachments.c.kind == AttachmentKind.CLAIM.value))
            every = [authorizations.get_attachment(tx, row.key) for row in rows]
            live = {
                f"ImagingStudy/{one['id']}" for one in self._resources("ImagingStudy") if one["status"] not in _OVER
            }
            named: dict[str, set[str]] = {}
            for claim in self._resources("Claim"):
                number = claim["insurance"][0]["preAuthRef"][0]
                refs = [one.get("valueReference", {}) for one in claim.get("supportingInfo", [])]
                assert all(ref["reference"] in live for ref in refs), "a Claim names what stands in no chart"
                named[number] = {ref["identifier"]["value"].removeprefix("urn:oid:") for ref in refs}
            for one in every:
                on, study = authorizations.get(tx, one.authorization_key), studies.get(tx, one.study_key)
                is_theirs = study.is_bound and study.patient_key == patients.survivor(tx, on.patient_key).key
                is_named = study.study_instance_uid in named[on.number]
                may = is_theirs and one.state in (AttachmentState.SENT, AttachmentState.RELEASED)
                assert may or not is_named, f"a Claim names a study whose attachment is {one.state}"
                assert is_named or one.state != AttachmentState.SENT, "a Claim does not name what is said to be there"

    def what_is_wrong_outside_asks_a_person(self) -> None:
        """What a payer has of a study that is not its patient's any more, or of an image that was rejected, is a task."""
        with self._store.read() as tx:
            for copy in self._world.copies:
                why = self._why_wrong(tx, copy)
                asked = [
                    one.destination for one in incidents.tasks(tx, is_open=True, limit=500, study_key=copy.study_key)
                ]
                place = f"{copy.destination} ({copy.control_number})"
                assert not why or place in asked, (
                    f"{copy.destination} has what {why}, and nobody is asked to withdraw it"
                )

    def what_left_as_anothers_is_an_incident(self) -> None:
        """What a payer has of a study that turned out to be somebody else's is on record as disclosed."""
        with self._store.read() as tx:
            for copy in self._world.copies:
                study = studies.get(tx, copy.study_key)
                was = patients.survivor(tx, copy.patient_key).key
                release = submissions.get(tx, copy.submission_key)
                if study.patient_key in (None, was) or release.state not in IS_THERE:
                    continue
                found = [
                    one
                    for one in incidents.of_study(tx, study.key)
                    if patients.survivor(tx, one.wrong_patient_key).key == was
                    and any(each.kind == DisclosureKind.AUTHORIZATION for each in one.disclosures)
                ]
                assert found, "a payer has what left as another patient's, and no incident says so"

    def every_leaving_is_an_export(self) -> None:
        """The audit trail has who let it go, to whom and what for; and that it left, once that is known."""
        with self._store.read() as tx:
            rows = tx.execute(select(audit_rows.c.action, audit_rows.c.detail, audit_rows.c.actor)).all()
            told: dict[str, set[int]] = {}
            for row in rows:
                if "submission" in row.detail:
                    assert row.action == "submission_settled" or row.detail["purpose_of_use"]
                    told.setdefault(row.action, set()).add(row.detail["submission"])
            for copy in self._world.copies:
                key = copy.submission_key
                assert key in told.get("attachment_released", ()), "it left, and nobody is said to have let it go"
                sent = told.get("evidence_sent", set()) | told.get("submission_settled", set())
                is_there = submissions.get(tx, key).state in IS_THERE
                assert not is_there or key in sent or self._is_under_way(tx, copy), "it left without an export event"

    def _is_under_way(self, tx: ReadTx, copy: Copy) -> bool:
        """Say whether the answer is on record and what follows from it is still to be written."""
        return authorizations.get_attachment(tx, copy.attachment_key).state != AttachmentState.SENT

    def _why_wrong(self, tx: ReadTx, copy: Copy) -> str:
        study = studies.get(tx, copy.study_key)
        attachment = authorizations.get_attachment(tx, copy.attachment_key)
        owner = patients.survivor(tx, authorizations.get(tx, attachment.authorization_key).patient_key).key
        if (study.is_bound, study.patient_key) != (True, owner):
            return "is not its patient's"
        if patients.survivor(tx, copy.patient_key).key != study.patient_key:
            return "left as another patient's"
        packet = packets.get(tx, submissions.get(tx, copy.submission_key).packet_key)
        if not rejections.shown_uids(tx, study.key).issuperset(self._world.pictured(packet)):
            return "was rejected"
        return ""

    def _resources(self, kind: str) -> list[Json]:
        return list(self._world.places.ehr.state()["resources"].get(kind, {}).values())


def _uid(resource: Json) -> str:
    found = [one["value"] for one in resource["identifier"] if one.get("system") == "urn:dicom:uid"]
    return str(found[0]).removeprefix("urn:oid:")
