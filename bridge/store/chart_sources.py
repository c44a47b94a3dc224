"""What a version of a chart entry was made of, as Provenance names it: the study, performed steps, the message."""

from __future__ import annotations

from sqlalchemy import select

from bridge.domain.chart import DOCUMENT, PROCEDURE, REPORT, ChartVersion, part_named
from bridge.domain.message import InboundMessage
from bridge.store import messages, performed, reports, studies
from bridge.store.db import ReadTx
from bridge.store.tables import chart_parts


def study_uid(tx: ReadTx, version: ChartVersion) -> str:
    """Return the UID of the study that a version is about, "" where no image of it is here."""
    key = version.whose.study_key
    return "" if key is None else studies.get(tx, key).study_instance_uid


def performed_uids(tx: ReadTx, version: ChartVersion) -> tuple[str, ...]:
    """Return the SOP Instance UIDs of the performed steps that a version was made of."""
    if version.resource_type == PROCEDURE:
        row = _row(tx, version)
        return () if row is None else (performed.get(tx, row).sop_instance_uid,)
    uid = study_uid(tx, version) if version.resource_type == "ImagingStudy" else ""
    return tuple(performed.uids_of_study(tx, uid)) if uid else ()


def message(tx: ReadTx, version: ChartVersion) -> InboundMessage | None:
    """Return the message that a report's version, or its document's, was made of, None where none is kept."""
    row = _row(tx, version) if version.resource_type in (REPORT, DOCUMENT) else None
    heard = [] if row is None else [one for one in reports.versions(tx, row) if one.heard_at <= version.at]
    key = heard[-1].message_key if heard else None
    return None if key is None else messages.get(tx, key)


def _row(tx: ReadTx, version: ChartVersion) -> int | None:
    """Return the row of the part that a version is of."""
    mine = (chart_parts.c.server == version.server, chart_parts.c.reference == version.reference)
    name = tx.execute(select(chart_parts.c.of_work).where(*mine).limit(1)).scalar()
    return None if name is None else part_named(name).key
