"""What is known of an object when it comes, in one statement: of every image the bridge asks just this."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, exists, select

from bridge.domain.study import Header
from bridge.store.db import ReadTx
from bridge.store.prepared import Prepared
from bridge.store.tables import instances, rejected_instances, series, splits, studies

_STUDY = select(studies.c.key).where(studies.c.study_instance_uid == bindparam("study_instance_uid")).scalar_subquery()
_SERIES = series.c.series_instance_uid == bindparam("series_instance_uid")
_KNOWN = Prepared(
    select(
        _STUDY.label("study_key"),
        select(series.c.key).where(_SERIES).scalar_subquery().label("series_key"),
        select(series.c.study_key).where(_SERIES).scalar_subquery().label("series_study_key"),
        exists().where(instances.c.sop_instance_uid == bindparam("sop_instance_uid")).label("is_kept"),
        exists().where(rejected_instances.c.sop_instance_uid == bindparam("sop_instance_uid")).label("is_named"),
        exists().where(splits.c.study_key == _STUDY, splits.c.joined_at.is_(None)).label("is_parted"),
    )
)


class Known(NamedTuple):
    """
    The rows of an object's study and series, None for what is new. series_study_key: whose that series is.

    is_kept: an instance of its UID is one of a study. is_named: some rejection note names it, in force or not.
    is_parted: a person split something off its study that was not joined again.
    """

    study_key: int | None
    series_key: int | None
    series_study_key: int | None
    is_kept: bool
    is_named: bool
    is_parted: bool


def known(tx: ReadTx, header: Header) -> Known:
    """Return what is kept already under the UIDs of *header*."""
    return Known(
        *_KNOWN.first(
            tx,
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            sop_instance_uid=header.sop_instance_uid,
        )
    )
