"""Resources as our own server shows them, made of the rows as they are now: what notifications and exports carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.codecs.fhir import service_request
from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, House
from bridge.codecs.fhir.references import study_identifier
from bridge.domain.subscription import News
from bridge.leaving.studies import ORDER_ID, visit_of
from bridge.leaving.studies import served as served_study
from bridge.store import chart_withdrawals, orders, patients, placements, studies
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.listings.served import Wanted

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServingHouse:
    """What is the same for all resources. public_url: without a slash at its end. quiet: so long without an image is complete."""

    house: House
    public_url: str
    organization: str
    quiet: timedelta

    def base(self, release: str) -> str:
        """Return the address that a release ("r4", "r5") is served at."""
        return f"{self.public_url}/fhir/{release}"


def imaging_study(tx: ReadTx, said: News, release: str, at: datetime, here: ServingHouse) -> Json | None:
    """Return a bound and complete study, None where it is not one, or stands in another chart by now."""
    key = said.study_key or 0
    keys, _ = served.find(tx, Wanted(at - here.quiet, study_keys=(key,)), before=None, limit=1)
    if not keys or not stands(tx, said):
        return None
    contents = studies.contents(tx, key)
    study = contents.study
    resource = served_study(tx, contents, study.patient_key or 0, here.house)[release.upper()]
    return resource | {"id": said.focus_id, "meta": _meta(study.version, study.last_instance_at)}


def stands(tx: ReadTx, said: News) -> bool:
    """Say whether the study that news are about is in that chart still: bound to that person, and by nobody taken out."""
    placed = placements.current(tx, said.study_key or 0)
    if placed is None or placed.resource_id != said.focus_id:
        return False
    return chart_withdrawals.withdrawal_of(tx, placed.study_key) is None


def withdrawn_study(tx: ReadTx, said: News) -> Json:
    """Return what is left to be said of a study that was in somebody's chart: that it is not theirs, or has no image."""
    study = studies.get(tx, said.study_key or 0)
    patient_key = said.patient_key
    subject = {"reference": f"Patient/{patient_key}"} if patient_key is not None else {"display": "withdrawn"}
    return {
        "resourceType": "ImagingStudy",
        "id": said.focus_id,
        "meta": {"versionId": str(study.version)},
        "identifier": [study_identifier(study.study_instance_uid)],
        "status": said.status,
        "subject": subject,
    }


def order(tx: ReadTx, key: int, release: str, here: ServingHouse) -> Json:
    """Return an order as ServiceRequest. Raises: LookupError."""
    found = orders.get(tx, key)
    subject = f"Patient/{patients.survivor(tx, found.patient_key).key}"
    steps = tuple(orders.steps_of(tx, key))
    resource = service_request.service_request(found, steps, subject, here.house.system_of, visit_of(tx, found))
    resource = resource if release == "r4" else service_request.as_r5(resource)
    return resource | {"id": f"{ORDER_ID}{key}", "meta": {"versionId": str(found.version)}}


def about(tx: ReadTx, said: News, release: str, at: datetime, here: ServingHouse) -> Json | None:
    """Return what news are about, as it is now; of a study that is in nobody's chart any more just that. None: not shown."""
    if said.focus_type == "ImagingStudy" and said.study_key is not None:
        if said.status in (ENTERED_IN_ERROR, CANCELLED):
            return withdrawn_study(tx, said)
        return imaging_study(tx, said, release, at, here)
    if said.focus_type == "ServiceRequest" and said.order_key is not None:
        return order(tx, said.order_key, release, here)
    return None


def _meta(version: int, changed: datetime | None) -> Json:
    return {"versionId": str(version), **({"lastUpdated": changed.isoformat()} if changed is not None else {})}
