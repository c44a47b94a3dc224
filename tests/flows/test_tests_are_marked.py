"""What came as a test is told to be one wherever it is read, and begins nothing in a chart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bridge.codecs.fhir.check import faults_of
from bridge.wiring import House
from tests.cast import PLAIN, order, report
from tests.flows.test_served_announcements import Here

Json = dict[str, Any]
TEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}
KINDS = {"ServiceRequest", "Task", "Procedure", "DiagnosticReport", "ImagingStudy"}


def read(here: Here, release: str) -> dict[str, list[Json]]:
    """Return by kind what is read that is not an error."""
    found = {}
    for kind in KINDS:
        entries = here.api.get(f"/fhir/{release}/{kind}?status:not=entered-in-error").json.get("entry", ())
        found[kind] = [one["resource"] for one in entries]
        assert [faults_of(release.upper(), one) for one in found[kind]] == [()] * len(found[kind])
    return found


def as_test(message: bytes) -> bytes:
    return message.replace(b"|P|2.3.1|", b"|T|2.3.1|")


@pytest.mark.parametrize("release", ["r4", "r5"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_came_as_a_test_is_marked_and_nothing_else(make_house: Callable[..., House], release: str) -> None:
    here = Here(make_house, hl7={"senders": "any"})
    here.device()
    here.image()
    here.device("COMPLETED")
    here.hear(report(PLAIN, "A1"))
    here.run(timedelta(minutes=2))
    real = read(here, release)
    assert all(len(found) == 1 for found in real.values())
    assert [one["meta"].get("security") for found in real.values() for one in found] == [None] * len(KINDS)

    here.hear(as_test(order(PLAIN, "A2")))
    here.hear(report(PLAIN, "A2", processing_id="T"))
    here.device(accession="A2", step="2.25.78")
    here.run()
    # A report of a test is read by nobody, and a test begins nothing in a chart.
    unread = {"ImagingStudy": 1, "DiagnosticReport": 1}
    assert {kind: len(found) for kind, found in read(here, release).items()} == dict.fromkeys(KINDS, 2) | unread
    here.image(accession="A2")
    here.run(timedelta(minutes=2))
    for kind, found in read(here, release).items():
        marked = [one["meta"].get("security") for one in found if one not in real[kind]]
        assert marked == ([[TEST]] if kind != "DiagnosticReport" else []), kind
