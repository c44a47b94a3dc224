"""What each chart has of a study, as its page and /api/studies/{uid}/chart show it: version by version, and what waits."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.fhir.differences import Differences, compare
from bridge.domain.accounts import Caller, Role
from bridge.domain.chart import OWN, ChartVersion, ChartWithdrawal
from bridge.domain.study import Study
from bridge.errors import Refused
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.store import chart_versions, chart_withdrawals, deliveries
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery

# A study's newest versions, in all charts together: more than that is looked for elsewhere.
VERSIONS_SHOWN = 60
_TOPICS = (IMAGING_STUDY,)


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """One version. changed: what it says otherwise than the one before, None where that is not kept or not shown."""

    version: ChartVersion
    changed: Differences | None
    stands: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One server's chart. delivery: the newest one on its way there, or that went. versions: newest first.

    standing: what it has now, one line for each resource.
    """

    server: str
    is_own: bool
    standing: tuple[ChartVersion, ...]
    versions: tuple[ShownVersion, ...]
    delivery: Delivery | None


@dataclass(frozen=True, slots=True)
class ChartView:
    """A study in its charts. withdrawal: a person's that stands; withdrawals: every one, newest first."""

    study: Study
    charts: tuple[Chart, ...]
    withdrawals: tuple[ChartWithdrawal, ...]
    is_cut: bool

    @property
    def withdrawal(self) -> ChartWithdrawal | None:
        return next((one for one in self.withdrawals if one.stands), None)


def read(tx: ReadTx, study: Study, servers: tuple[str, ...], caller: Caller) -> ChartView:
    """
    Return what the charts of *servers*, and every other that ever had it, have of *study*.

    Raises: Refused, if it is unbound and the caller's role does not include those.
    """
    if not study.is_bound and not caller.sees_unbound and caller.role != Role.IT:
        raise Refused("nobody has bound this study yet: ask the intake desk", code="unbound")
    every = chart_versions.of_study(tx, study.key)
    shown = every[:VERSIONS_SHOWN]
    said = {} if caller.role == Role.IT else chart_versions.said_by(tx, [one.key for one in shown])
    sent = [one for one in deliveries.of_study(tx, study.key) if one.topic in _TOPICS]
    names = dict.fromkeys((*servers, *(one.server for one in shown)))
    charts = tuple(_chart(name, shown, said, sent) for name in names)
    return ChartView(study, charts, tuple(chart_withdrawals.of_study(tx, study.key)), len(every) > len(shown))


def _chart(
    server: str, shown: list[ChartVersion], said: dict[int, dict[str, dict[str, object]]], sent: list[Delivery]
) -> Chart:
    mine = [one for one in shown if one.server == server]
    newest: dict[str, ChartVersion] = {}
    for one in mine:
        newest.setdefault(one.reference, one)
    before = {(one.reference, one.number + 1): one for one in mine}
    versions = tuple(
        ShownVersion(one, _changed(one, before.get((one.reference, one.number)), said), newest[one.reference] is one)
        for one in mine
    )
    delivery = next((one for one in sent if one.destination == server), None)
    return Chart(server, server == OWN, tuple(newest.values()), versions, delivery)


def _changed(
    one: ChartVersion, before: ChartVersion | None, said: dict[int, dict[str, dict[str, object]]]
) -> Differences | None:
    """Compare two versions as the same release of FHIR says them."""
    now = said.get(one.key)
    if now is None or (before is None and one.number > 1):
        return None
    release = next(iter(now))
    was = said.get(before.key, {}).get(release) if before is not None else None
    if before is not None and was is None:
        return None
    return compare(was, now[release])
