"""Every class of error has its status in every service. Source: PS3.7 C, PS3.4 B.2.3, C.4, F.7."""

from __future__ import annotations

import pytest

from bridge.codecs.dicom.status import Service, comment_of, is_warning, outcome_of
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed, Misconfigured, Refused, Unavailable, Unsupported

QUERY, STORE, STEP = Service.WORKLIST, Service.STORAGE, Service.PERFORMED_STEP


@pytest.mark.parametrize(
    ("service", "fault", "status"),
    [
        (QUERY, Malformed("x"), 0xA900),
        (QUERY, Unsupported("x"), 0x0122),
        (QUERY, Incomplete("x"), 0xA900),
        (QUERY, Refused("x"), 0x0124),
        (QUERY, Unavailable("x"), 0xA700),
        (STORE, Malformed("x"), 0xC000),
        (STORE, Malformed("x", code="sop_class_mismatch"), 0xA900),
        (STORE, Malformed("x", code="uid_mismatch"), 0xA900),
        (STORE, Incomplete("x", code="missing_uid"), 0xA900),
        (STORE, Malformed("x", code="invalid_uid"), 0x0117),
        (STORE, Unsupported("x"), 0x0122),
        (STORE, Conflict("x"), 0x0110),
        (STORE, Refused("x"), 0x0124),
        (STORE, Unavailable("x"), 0xA700),
        (STEP, Malformed("x"), 0x0106),
        (STEP, Unsupported("x"), 0x0122),
        (STEP, Incomplete("x"), 0x0120),
        (STEP, Incomplete("x", code="empty_value"), 0x0121),
        (STEP, Conflict("x", code="duplicate"), 0x0111),
        (STEP, Conflict("x", code="unknown"), 0x0112),
        (STEP, Refused("x"), 0x0124),
        (STEP, Unavailable("x"), 0x0213),
        (Service.GET, Unavailable("x"), 0xA701),
        (Service.MOVE, Unavailable("x", code="unreachable"), 0xA702),
        (Service.MOVE, Unsupported("x", code="unknown_destination"), 0xA801),
    ],
)
def test_an_error_becomes_the_status_that_its_service_knows(service: Service, fault: BridgeError, status: int) -> None:
    assert outcome_of(service, fault).status == status


def test_a_final_performed_step_says_so_by_its_error_id() -> None:
    outcome = outcome_of(STEP, Conflict("may no longer be updated", code="performed_step_final"))
    assert (outcome.status, outcome.error_id) == (0x0110, 0xA710)


@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize("kind", [Malformed, Unsupported, Incomplete, Conflict, Refused, Unavailable])
def test_no_error_is_ever_a_success(service: Service, kind: type[BridgeError]) -> None:
    status = outcome_of(service, kind("x")).status
    assert status not in (0x0000, 0xFF00, 0xFF01)
    assert not is_warning(status)


@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize("fault", [RuntimeError("Larch^Ada"), KeyError("PEER-1"), Misconfigured(["Larch^Ada"])])
def test_our_own_faults_say_nothing_of_their_text(service: Service, fault: Exception) -> None:
    outcome = outcome_of(service, fault)
    assert outcome.status in (0x0110, 0xC000)
    assert outcome.comment == "internal error"


def test_a_comment_fits_its_element() -> None:
    assert len(comment_of("long " * 40)) == 64
    assert comment_of("back\\slash, Zoë") == "back?slash, Zo?"
