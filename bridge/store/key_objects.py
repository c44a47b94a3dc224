"""Key Object Selections that mark images, and what their studies show of these. Source: PS3.3 A.35.4."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, insert, select

from bridge.domain.code import Code
from bridge.domain.key_images import KeyImages, KeySelection, SelectedImage
from bridge.domain.study import Instance
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import instances, key_images, key_objects, series, studies

_c = key_objects.c


def add(tx: WriteTx, document: Instance, said: KeyImages) -> None:
    """Store what a document that was just kept says."""
    key = insert_row(
        tx,
        key_objects,
        study_key=document.study_key,
        instance_key=document.key,
        title_code_value=said.title.code_value,
        title_coding_scheme_designator=said.title.coding_scheme_designator,
        title_code_meaning=said.title.code_meaning,
        made_local=said.made_local,
        timezone_offset_from_utc=said.timezone_offset_from_utc,
    )
    rows = [
        {"key_object_key": key, "sop_instance_uid": one.sop_instance_uid, "frames": [*one.frames]}
        for one in said.images
    ]
    tx.execute(insert(key_images), rows)


def of_study(tx: ReadTx, study_key: int) -> list[int]:
    """Return the rows of the documents of a study that mark images, the first received first."""
    return list(tx.execute(select(_c.key).where(_c.study_key == study_key).order_by(_c.key)).scalars())


def get(tx: ReadTx, key: int) -> KeySelection:
    """Return the document in row *key*, with what its study shows of what it names. Raises: LookupError."""
    query = (
        select(key_objects, instances.c.sop_instance_uid, instances.c.withheld, studies.c.study_instance_uid)
        .join(instances, instances.c.key == _c.instance_key)
        .join(studies, studies.c.key == _c.study_key)
    )
    row = tx.execute(query.where(_c.key == key)).first()
    if row is None:
        raise LookupError(f"no key object selection {key}")
    return KeySelection(
        key=key,
        study_key=row.study_key,
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        withheld=row.withheld,
        title=Code(row.title_code_value, row.title_coding_scheme_designator, row.title_code_meaning),
        made_local=row.made_local,
        timezone_offset_from_utc=row.timezone_offset_from_utc,
        images=tuple(_shown(tx, key, row.study_key)),
    )


def _shown(tx: ReadTx, key: int, study_key: int) -> Iterator[SelectedImage]:
    """Yield what a study shows of what a document of its own names, in the document's order."""
    here = and_(instances.c.sop_instance_uid == key_images.c.sop_instance_uid, instances.c.study_key == study_key)
    query = (
        select(
            series.c.series_instance_uid,
            instances.c.sop_instance_uid,
            instances.c.sop_class_uid,
            instances.c.instance_number,
            key_images.c.frames,
        )
        .select_from(key_images)
        .join(instances, here)
        .join(series, series.c.key == instances.c.series_key)
        .where(key_images.c.key_object_key == key, instances.c.withheld == "")
        .order_by(key_images.c.key)
    )
    for row in tx.execute(query):
        yield SelectedImage(*row[:4], frames=tuple(row.frames))


def names_any(*, shown: bool = False) -> ColumnElement[bool]:
    """Say, in a statement about `key_objects`, whether its study has an instance that it names. shown: and shows it."""
    other = instances.alias("named_by_it")
    here = [other.c.sop_instance_uid == key_images.c.sop_instance_uid, other.c.study_key == _c.study_key]
    if shown:
        here.append(other.c.withheld == "")
    return select(other.c.key).where(key_images.c.key_object_key == _c.key, *here).exists()
