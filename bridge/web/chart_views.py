"""What each chart has of a study and of what rests on it, as its page and /api/studies/{uid}/chart show it, and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.codecs.fhir.differences import Differences, compare
from bridge.domain.accounts import Caller, Role
from bridge.domain.chart import ORDER, OWN, PARTS, WAY, ChartVersion, ChartWithdrawal, Part, part_named
from bridge.errors import Refused
from bridge.flows.charted import ChartedExam
from bridge.flows.tell_charts import Takers
from bridge.outbox.enqueue import (
    ANNOUNCEMENT,
    CHART_ORDER,
    CHART_PART,
    CHART_WAY,
    IMAGING_STUDY,
    PROVENANCE,
    version_name,
)
from bridge.store import chart_parts, chart_versions, chart_withdrawals, deliveries
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery

# The newest versions of a study's entries, in all charts together, and of what rests on it: more are looked for elsewhere.
VERSIONS_SHOWN = 60
_WAYS_SHOWN = 12

Said = Mapping[int, dict[str, dict[str, object]]]


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """
    One version. changed: what it says otherwise than the one before, None where that is not kept or not shown.

    provenance: what tells the server where it comes from, None where it keeps no such thing.
    """

    version: ChartVersion
    changed: Differences | None
    stands: bool
    provenance: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One thing in one chart. delivery: the newest one on its way there, or that went. versions: newest first.

    standing: what the chart has of it now, one line for each resource.
    """

    standing: tuple[ChartVersion, ...] = ()
    versions: tuple[ShownVersion, ...] = ()
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry(Entry):
    """What a chart has of a part of the exam. is_of_exam: it still is; withdrawal: a person's of it alone, that stands."""

    part: Part
    is_of_exam: bool = True
    withdrawal: ChartWithdrawal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart(Entry):
    """One server's chart: of the study itself, and *parts* of what rests on it. ways: to the images, None where it has none."""

    server: str
    is_own: bool = False
    parts: tuple[PartEntry, ...] = ()
    ways: Entry | None = None


@dataclass(frozen=True, slots=True)
class ChartView:
    """An exam in its charts. withdrawal: a person's that stands; withdrawals: every one, newest first."""

    exam: ChartedExam
    charts: tuple[Chart, ...]
    withdrawals: tuple[ChartWithdrawal, ...]
    is_cut: bool

    @property
    def withdrawal(self) -> ChartWithdrawal | None:
        return next((one for one in self.withdrawals if one.stands), None)


def read(tx: ReadTx, exam: ChartedExam, servers: tuple[str, ...], takers: Takers, caller: Caller) -> ChartView:
    """
    Return what the charts of *servers*, and every other that ever had it, have of *exam*. takers: what more each takes.

    Raises: Refused, if it is unbound and the caller's role does not include those.
    """
    if not exam.is_bound and not caller.sees_unbound and caller.role != Role.IT:
        raise Refused("nobody has bound this study yet: ask the intake desk", code="unbound")
    seen = _Seen(tx, exam, tells_all=caller.role != Role.IT)
    names = dict.fromkeys((*servers, *(one.server for one in seen.shown)))
    charts = tuple(_chart(tx, name, seen, takers.get(name, ())) for name in names)
    return ChartView(exam, charts, tuple(chart_withdrawals.of_subject(tx, exam.subject)), seen.is_cut)


class _Seen:
    """Everything that is known of an exam's charts, read once. tells_all: what versions say is shown, too."""

    def __init__(self, tx: ReadTx, exam: ChartedExam, *, tells_all: bool) -> None:
        study_key, uid = exam.study.key if exam.study is not None else None, exam.study_instance_uid
        of_coming = chart_versions.of_coming(tx, uid) if study_key is None else []
        of_study = chart_versions.of_study(tx, study_key) if study_key is not None else of_coming
        of_parts = chart_versions.of_parts(tx, study_key, [key for _, key in exam.parts if key is not None])
        self.now = tuple(part for part, _ in exam.parts)
        self.uid, self.topic = uid, ANNOUNCEMENT if study_key is None else IMAGING_STUDY
        self.own, self.others = of_study[:VERSIONS_SHOWN], of_parts[:VERSIONS_SHOWN]
        self.shown = [*self.own, *self.others]
        self.is_cut = len(of_study) + len(of_parts) > len(self.shown)
        self.tells_all = tells_all
        self.said: dict[int, dict[str, dict[str, object]]] = {}
        self.hear(tx, self.shown)
        told = [*(one.name for one in self.now), uid, WAY, *(version_name(one) for one in self.shown)]
        self.sent = deliveries.of_works(tx, told)

    def hear(self, tx: ReadTx, versions: Iterable[ChartVersion]) -> None:
        """Read what these versions say, if that is shown."""
        if self.tells_all:
            self.said |= chart_versions.said_by(tx, [one.key for one in versions])

    def delivery(self, topics: Sequence[str], server: str, order_of: str) -> Delivery | None:
        """Return the newest delivery of a thing to a server, None if there never was one."""
        return next((one for one in self.sent if _is(one, topics, server, order_of)), None)

    def versions(self, mine: Iterable[ChartVersion]) -> tuple[ShownVersion, ...]:
        """Return the versions of one thing in one chart, each beside the one before."""
        every = list(mine)
        before = {(one.reference, one.number + 1): one for one in every}
        newest = _newest(every)
        return tuple(
            ShownVersion(
                one,
                _changed(one, before.get((one.reference, one.number)), self.said),
                newest[one.reference] is one,
                self.delivery((PROVENANCE,), one.server, version_name(one)),
            )
            for one in every
        )


def _is(one: Delivery, topics: Sequence[str], server: str, order_of: str) -> bool:
    return one.topic in topics and (one.destination, one.order_of) == (server, order_of)


def _chart(tx: ReadTx, server: str, seen: _Seen, kinds: Sequence[str]) -> Chart:
    mine = [one for one in seen.own if one.server == server]
    return Chart(
        standing=tuple(_newest(mine).values()),
        versions=seen.versions(mine),
        delivery=seen.delivery((seen.topic,), server, seen.uid),
        server=server,
        is_own=server == OWN,
        parts=tuple(_parts(tx, server, seen, kinds)),
        ways=None if server == OWN else _ways(tx, server, seen),
    )


def _ways(tx: ReadTx, server: str, seen: _Seen) -> Entry | None:
    """Return the ways to the images, the same for every study of a server."""
    every = chart_versions.of_type(tx, server, WAY, limit=_WAYS_SHOWN)
    if not every:
        return None
    seen.hear(tx, every)
    delivery = seen.delivery((CHART_WAY,), server, WAY)
    return Entry(standing=tuple(_newest(every).values()), versions=seen.versions(every), delivery=delivery)


def _parts(tx: ReadTx, server: str, seen: _Seen, kinds: Sequence[str]) -> Iterable[PartEntry]:
    """Return what the server has, had or is to have of the exam beside its images."""
    mine = [one for one in seen.others if one.server == server]
    names = chart_parts.names_of(tx, server, list({one.reference for one in mine}))
    by_name: dict[str, list[ChartVersion]] = {one.name: [] for one in seen.now if one.kind in kinds}
    for one in mine:
        name = names.get(one.reference) or (f"{ORDER}:{one.whose.order_key}" if one.resource_type == ORDER else "")
        if name:
            by_name.setdefault(name, []).append(one)
    for name in sorted(by_name, key=lambda one: (PARTS.index(one.partition(":")[0]), one)):
        part, every = part_named(name), by_name[name]
        yield PartEntry(
            standing=tuple(_newest(every).values()),
            versions=seen.versions(every),
            delivery=seen.delivery((CHART_PART, CHART_ORDER), server, name),
            part=part,
            is_of_exam=part in seen.now and part.kind in kinds,
            withdrawal=chart_withdrawals.withdrawal_of(tx, part),
        )


def _newest(mine: Iterable[ChartVersion]) -> dict[str, ChartVersion]:
    newest: dict[str, ChartVersion] = {}
    for one in mine:
        newest.setdefault(one.reference, one)
    return newest


def _changed(one: ChartVersion, before: ChartVersion | None, said: Said) -> Differences | None:
    """Compare two versions as the same release of FHIR says them."""
    now = said.get(one.key)
    if now is None or (before is None and one.number > 1):
        return None
    release = next(iter(now))
    was = said.get(before.key, {}).get(release) if before is not None else None
    if before is not None and was is None:
        return None
    return compare(was, now[release])
