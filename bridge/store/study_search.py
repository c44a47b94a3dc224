"""Studies by what a query asks of them: one statement, which names every study that meets it, and no other limit first.

What is asked of series and instances narrows to studies that hold such; the rows themselves are picked by the codec.
Source: PS3.4 C.2.2.2, C.6.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select

from bridge.domain.matching import Range, TimeRange
from bridge.domain.study import BOUND_STATES, Instance, Series, Study, StudyContents
from bridge.domain.worklist_search import Criterion
from bridge.store import rejections
from bridge.store import studies as study_rows
from bridge.store.chart_withdrawals import taken_out
from bridge.store.db import ReadTx
from bridge.store.tables import instances, series, studies, study_entries
from bridge.store.worklist_sql import pattern_of

Test = ColumnElement[bool]

_LAST_CHARACTER = "\U0010ffff"
_STUDY: dict[str, tuple[ColumnElement[Any], ...]] = {
    "StudyInstanceUID": (studies.c.study_instance_uid,),
    "PatientName": tuple(study_entries.c[f"patient_name_{n}"] for n in (1, 2, 3)),
    "ReferringPhysicianName": tuple(study_entries.c[f"referring_physician_name_{n}"] for n in (1, 2, 3)),
    "PatientID": (study_entries.c.patient_id,),
    "IssuerOfPatientID": (study_entries.c.issuer_of_patient_id,),
    "PatientBirthDate": (study_entries.c.patient_birth_date,),
    "PatientSex": (study_entries.c.patient_sex,),
    "AccessionNumber": (study_entries.c.accession_number,),
    "LocalNamespaceEntityID": (study_entries.c.issuer_of_accession_number,),
    "StudyID": (study_entries.c.study_id,),
    "StudyDescription": (study_entries.c.study_description,),
}
_SERIES: dict[str, ColumnElement[Any]] = {
    "SeriesInstanceUID": series.c.series_instance_uid,
    "Modality": series.c.modality,
    "SeriesDescription": series.c.series_description,
    "BodyPartExamined": series.c.body_part_examined,
    "Laterality": series.c.laterality,
    "StationName": series.c.station_name,
    "SeriesDate": series.c.series_date,
}
_INSTANCE: dict[str, ColumnElement[Any]] = {
    "SOPInstanceUID": instances.c.sop_instance_uid,
    "SOPClassUID": instances.c.sop_class_uid,
}


@dataclass(frozen=True, slots=True)
class StudyCriteria:
    """
    What a query asks. study, series, instance: all of each group are met, by the study, one series, one instance.

    modalities, classes: some series, some instance has one. dates, times: of the study, apart; together: joined
    "YYYYMMDDHHMMSS[.F]". unbound: also studies that nobody has bound. patient_keys: bound studies of these only, None for
    everybody's.
    """

    study: Sequence[Criterion] = ()
    series: Sequence[Criterion] = ()
    instance: Sequence[Criterion] = ()
    modalities: Criterion | None = None
    classes: Criterion | None = None
    dates: Range | None = None
    times: TimeRange | None = None
    together: Range | None = None
    unbound: bool = False
    patient_keys: Collection[int] | None = None


def keys_of(tx: ReadTx, by: StudyCriteria, limit: int) -> list[int]:
    """Return the studies that meet *by*, newest first, at most *limit*."""
    writer = _Writer(tx.dialect.name == "sqlite")
    query = (
        select(studies.c.key)
        .join(study_entries, study_entries.c.study_key == studies.c.key)
        # What was decided since is found again once its entry says so, too.
        .where(studies.c.entry_version == studies.c.version, ~rejections.shows_nothing(), *writer.tests(by))
        .order_by(studies.c.study_date.desc(), studies.c.key.desc())
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class Listed:
    """A study as an answer shows it. counts: instances by series key; instances: by series key, {} unless asked for."""

    study: Study
    series: tuple[Series, ...]
    counts: Mapping[int, int]
    sop_classes: tuple[str, ...]
    instances: Mapping[int, tuple[Instance, ...]]


def listed(tx: ReadTx, study_keys: Sequence[int], *, with_instances: bool) -> list[Listed]:
    """Return these studies, in their order; what they hold is counted, not read, unless *with_instances*."""
    if with_instances:
        return [_whole(one) for one in contents(tx, study_keys)]
    held: dict[int, list[Series]] = {key: [] for key in study_keys}
    for one in study_rows.series_of(tx, study_keys):
        held[one.study_key].append(one)
    counts: dict[int, dict[int, int]] = {key: {} for key in study_keys}
    classes: dict[int, set[str]] = {key: set() for key in study_keys}
    for row in _counted(tx, study_keys):
        counts[row.study_key][row.series_key] = counts[row.study_key].get(row.series_key, 0) + row.held
        classes[row.study_key].add(row.sop_class_uid)
    found = {one.key: one for one in study_rows.many(tx, study_keys)}
    return [
        Listed(
            found[key],
            tuple(one for one in held[key] if one.key in counts[key]),
            counts[key],
            tuple(sorted(classes[key])),
            {},
        )
        for key in study_keys
        if key in found
    ]


def _counted(tx: ReadTx, study_keys: Sequence[int]) -> Sequence[Row[Any]]:
    c = instances.c
    query = select(c.study_key, c.series_key, c.sop_class_uid, func.count().label("held"))
    shown = query.where(c.study_key.in_(study_keys), c.withheld == "")
    return tx.execute(shown.group_by(c.study_key, c.series_key, c.sop_class_uid)).all()


def _whole(one: StudyContents) -> Listed:
    counts = {key: len(group) for key, group in one.instances.items()}
    classes = sorted({instance.sop_class_uid for group in one.instances.values() for instance in group})
    return Listed(one.study, one.series, counts, tuple(classes), one.instances)


def contents(tx: ReadTx, study_keys: Sequence[int]) -> Iterator[StudyContents]:
    """Return these studies with everything they hold."""
    return (study_rows.contents(tx, key) for key in study_keys)


class _Writer:
    """Writes the conditions of one query in one dialect."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite

    def tests(self, by: StudyCriteria) -> Iterator[Test]:
        if by.patient_keys is not None:
            yield studies.c.patient_key.in_(sorted(by.patient_keys))
            yield studies.c.key.not_in(taken_out())
        if not by.unbound or by.patient_keys is not None:
            yield studies.c.state.in_(sorted(BOUND_STATES))
        yield from (self._met(criterion, _STUDY[criterion.keyword]) for criterion in by.study)
        yield from self._started(by)
        if by.series:
            yield self._held(select(series.c.study_key), by.series, _SERIES)
        if by.instance:
            yield self._held(select(instances.c.study_key).where(instances.c.withheld == ""), by.instance, _INSTANCE)
        if by.modalities is not None:
            met = self._met(by.modalities, (series.c.modality,))
            yield exists().where(series.c.study_key == studies.c.key, met)
        if by.classes is not None:
            met = self._met(by.classes, (instances.c.sop_class_uid,))
            yield exists().where(instances.c.study_key == studies.c.key, instances.c.withheld == "", met)

    def _held(self, query: Select[Any], asked: Sequence[Criterion], columns: dict[str, ColumnElement[Any]]) -> Test:
        met = [self._met(criterion, (columns[criterion.keyword],)) for criterion in asked]
        return studies.c.key.in_(query.where(*met))

    def _started(self, by: StudyCriteria) -> Iterator[Test]:
        if by.together is not None:
            yield from self._within(study_entries.c.study_started_local, by.together)
        if by.dates is not None:
            yield from self._within(studies.c.study_date, by.dates)
        if by.times is not None:
            time = studies.c.study_time if self._is_sqlite else studies.c.study_time.collate("C")
            yield studies.c.study_time != ""
            low, high = time >= by.times.low, time <= by.times.high
            ends = [low] * bool(by.times.low) + [high] * bool(by.times.high)
            yield or_(*ends) if by.times.crosses_midnight else and_(True, *ends)

    def _within(self, column: ColumnElement[Any], span: Range) -> Iterator[Test]:
        yield column != ""
        if span.low:
            yield column >= span.low
        if span.high:
            yield column <= span.high

    def _met(self, criterion: Criterion, columns: Sequence[ColumnElement[Any]]) -> Test:
        if criterion.span is not None:
            return and_(*self._within(columns[0], criterion.span))
        tests: list[Test] = []
        for column in columns:
            if criterion.values:
                tests.append(column.in_(criterion.values))
            tests += [self._fits(column, wildcard) for wildcard in criterion.wildcards]
        return or_(*tests)

    def _fits(self, column: ColumnElement[Any], wildcard: str) -> Test:
        """Compare with a wildcard; what stands before the first one lets an index help."""
        pattern = pattern_of(wildcard, is_sqlite=self._is_sqlite)
        fits: Test = column.op("GLOB")(pattern) if self._is_sqlite else column.like(pattern)
        prefix = wildcard.partition("*")[0].partition("?")[0]
        if not prefix or column.table is not study_entries:
            return and_(fits, func.length(column) > 0)
        return and_(column >= prefix, column < prefix + _LAST_CHARACTER, fits)
