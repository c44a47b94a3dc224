"""Is it alive, is it ready, what does it count. None of the three says anything about a patient."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, current_app, jsonify, request
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.domain.accounts import Permission
from bridge.errors import BridgeError
from bridge.flows.check_ready import check_ready
from bridge.store.listings import body_parts, counts
from bridge.store.listings.case_counts import CaseCounts, case_counts
from bridge.web.access import needs, services
from bridge.web.rested import Rested

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@needs(Permission.OPEN)
def healthz() -> Response:
    """Say that this process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@needs(Permission.OPEN)
def readyz() -> tuple[Response, int]:
    """Say whether work would succeed now: the database takes writes, its schema is ours, listeners are up."""
    here = services()
    checks: dict[str, str] = {}
    try:
        check_ready(here.store)
        checks["database"] = "ok"
    except BridgeError as fault:
        checks["database"] = fault.code
    checks |= {name: "ok" if up else "down" for name, up in here.listeners().items()}
    ready = all(state == "ok" for state in checks.values())
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503


@blueprint.get("/metrics")
@needs(Permission.READ_METRICS)
def metrics() -> Response:
    """Return the counts in Prometheus' text form; labels hold states, routes and destinations, never names or numbers."""
    registry = CollectorRegistry()
    registry.register(_StoreCounts())
    text = generate_latest(registry) + generate_latest(_requests().registry)
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def count(response: Response) -> None:
    """Count one answer by route, method and status."""
    route = str(request.url_rule) if request.url_rule is not None else "none"
    _requests().counter.labels(route, request.method, str(response.status_code)).inc()


class _Requests:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counter = Counter(
            "bridge_http_requests", "HTTP requests answered", ("route", "method", "status"), registry=self.registry
        )


def _requests() -> _Requests:
    found = current_app.extensions.get("bridge_requests")
    if not isinstance(found, _Requests):
        found = current_app.extensions["bridge_requests"] = _Requests()
    return found


def _counted() -> Rested[tuple[counts.Tallies, CaseCounts, int]]:
    """Return what counts the tables: millions of rows take seconds, and several may scrape."""
    found = current_app.extensions.get("bridge_counted")
    if not isinstance(found, Rested):
        found = current_app.extensions["bridge_counted"] = Rested(_count_tables)
    return found


def _count_tables() -> tuple[counts.Tallies, CaseCounts, int]:
    """Return what the tables say, and how many objects have a body part without a code."""
    here = services()
    with here.store.read() as tx:
        without_code = sum(body_parts.without_code(tx).values())
        return counts.tallies(tx, here.clock.now()), case_counts(tx, here.clock.now()), without_code


class _StoreCounts(Collector):
    """What the tables say, so that every node gives the same answer, but for what rests because it is costly."""

    def collect(self) -> Iterator[Metric]:
        here = services()
        tallies, cases, without_code = _counted().get()
        for name, help_text, label, rows in (
            ("bridge_messages", "HL7 messages in the journal, by state", "state", tallies.messages),
            ("bridge_orders", "Orders, by status", "status", tallies.orders),
            ("bridge_studies", "Studies, by state", "state", tallies.studies),
        ):
            family = GaugeMetricFamily(name, help_text, labels=[label])
            for value, number in rows.items():
                family.add_metric([value], number)
            yield family
        yield CounterMetricFamily("bridge_instances", "Instances kept", value=tallies.instances)
        yield GaugeMetricFamily("bridge_mismatches_open", "Studies that wait for a person", value=tallies.mismatches)
        uncoded = "Series whose Body Part Examined has no code: charts have its words alone"
        yield GaugeMetricFamily("bridge_series_body_part_uncoded", uncoded, value=without_code)
        damaged = "Kept objects that are not there as they were received"
        yield GaugeMetricFamily("bridge_objects_damaged", damaged, value=tallies.damaged_objects)
        if here.blobs is not None:
            free = "Room on this node's disk above the low-water mark"
            yield GaugeMetricFamily("bridge_disk_free_bytes", free, value=here.blobs.free_bytes())
        yield from _of_cases(cases)
        yield from _of_deliveries(tallies)
        asked = GaugeMetricFamily(
            "bridge_outside_questions", "Studies other registries were asked about", labels=["registry", "state"]
        )
        for where, number in tallies.outside.items():
            asked.add_metric(where, number)
        yield asked


def _of_cases(cases: CaseCounts) -> Iterator[Metric]:
    """Tell of the intake desk; a reason is a rule's code."""
    waiting = GaugeMetricFamily(
        "bridge_cases_open", "Studies that wait for a person, by what holds them", labels=["reason"]
    )
    for rule, number in cases.open.items():
        waiting.add_metric([rule], number)
    yield waiting
    yield GaugeMetricFamily("bridge_case_oldest_seconds", "Age of the oldest open case", value=cases.oldest_secs)
    decided = GaugeMetricFamily(
        "bridge_cases_decided_last_hour", "Cases closed in the last hour, by rules and by people", labels=["by"]
    )
    for by, number in cases.decided.items():
        decided.add_metric([by], number)
    yield decided
    within = GaugeMetricFamily(
        "bridge_case_decided_within_seconds",
        "Within what time half and nine tenths of the last day's closed cases were closed",
        labels=["by", "share"],
    )
    for (by, share), secs in cases.within_secs.items():
        within.add_metric([by, str(share)], secs)
    yield within
    taken_back = "Bindings that people took back in the last day"
    yield GaugeMetricFamily("bridge_bindings_taken_back_last_day", taken_back, value=cases.taken_back)


def _of_deliveries(tallies: counts.Tallies) -> Iterator[Metric]:
    family = GaugeMetricFamily("bridge_deliveries", "Deliveries, by topic, destination and state", labels=_WHERE)
    for (topic, destination, state), number in tallies.deliveries.items():
        family.add_metric([topic, destination, state], number)
    yield family
    help_text = "Deliveries that failed three times or more and still wait, by topic and destination"
    failing = GaugeMetricFamily("bridge_deliveries_failing", help_text, labels=_WHERE[:2])
    for lane, number in tallies.failing.items():
        failing.add_metric(lane, number)
    yield failing
    age = GaugeMetricFamily("bridge_delivery_oldest_seconds", "Age of the oldest unsettled delivery", labels=["state"])
    for state, seconds in tallies.oldest_secs.items():
        age.add_metric([state], seconds)
    yield age


_WHERE = ["topic", "destination", "state"]
