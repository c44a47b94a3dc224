"""Bad input against the running product: each gets its answer, is seen over REST, loses nothing, and the next good request works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cast import PLAIN, adt, order, study_uid
from tests.fakes.dicom_wire import CT_IMAGE, EXPLICIT, Caller, p_data, pdu, pdv
from tests.faults.running_clinic import Clinic, open_clinic
from tests.product.running import wait_for

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
# No answer may take longer, on a machine that is busy with something else.
WITHIN_SECS = 10.0


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    hl7 = "port = 0\nmax_message_mb = 4"
    with open_clinic(tmp_path_factory.mktemp("bad_input"), hl7=hl7) as found:
        yield found


@pytest.fixture(autouse=True)
def well_behaved(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "clinic" in request.fixturenames:
        request.getfixturevalue("clinic").ehr.misbehave("ok")


# HL7.


def test_garbage_bytes_are_passed_over_and_the_message_behind_them_is_answered(clinic: Clinic) -> None:
    accession = clinic.accession()
    with clinic.connect_hl7() as wire:
        wire.sendall(b"\x00\xff GET / HTTP/1.1\r\n" * 100 + b"\x0b" + order(PLAIN, accession) + b"\x1c\r")
        assert b"MSA|AA" in wire.recv(65536)
    assert clinic.api.get(f"/api/exams/{accession}").status_code == 200
    clinic.works()


def test_a_frame_of_garbage_is_refused_and_journalled(clinic: Clinic) -> None:
    (answer,) = clinic.product.say(b"\xde\xad\xbe\xef" * 50)
    assert b"MSA|AE" in answer
    newest = clinic.rows("/api/messages")[0]
    assert (newest["state"], newest["answer_code"], newest["error"]["code"]) == ("refused", "AE", "no_header")
    clinic.works()


def test_an_unterminated_frame_holds_nobody_up_and_leaves_nothing(clinic: Clinic) -> None:
    before = len(clinic.rows("/api/messages"))
    with clinic.connect_hl7() as wire:
        wire.sendall(b"\x0b" + order(PLAIN, clinic.accession()))
        (answer,) = clinic.product.say(adt(PLAIN, at="20260302080001"))
        assert b"MSA|AA" in answer
    assert len(clinic.rows("/api/messages")) == before + 1
    clinic.works()


def test_a_message_of_20_mb_is_cut_off_and_noted(clinic: Clinic) -> None:
    with clinic.connect_hl7() as wire:
        # The door closes on what is still under way: a reset, or an end of file after all of it.
        with contextlib.suppress(ConnectionError):
            wire.sendall(b"\x0b" + adt(PLAIN) + b"NTE|1||" + b"x" * (20 << 20) + b"\x1c\r")
            assert wire.recv(65536) == b""
    clinic.audited("connection_cut", "frame_too_long")
    clinic.works()


@pytest.mark.parametrize(
    ("raw", "answered", "code", "where"),
    [
        (adt(PLAIN, "A99", control_id="BADTRIGGER"), b"MSA|AR", b"^201&", "MSH-9"),
        (adt(replace(PLAIN, patient_id=""), control_id="NOPID3"), b"MSA|AE", b"^101&", "PID-3"),
    ],
)
def test_what_cannot_be_applied_is_refused_where_it_is_wrong_and_kept_to_be_replayed(
    clinic: Clinic, raw: bytes, answered: bytes, code: bytes, where: str
) -> None:
    (answer,) = clinic.product.say(raw)
    assert answered in answer
    assert code in answer
    control_id = raw.split(b"|")[9].decode()
    row = clinic.message(control_id)
    assert row["state"] == "refused"
    assert row["error"]["where"].startswith(where)
    detail = clinic.api.get(f"/api/messages/{row['id']}").json()
    assert control_id in detail["raw"]
    clinic.works()


# DICOM.


def test_an_unknown_title_is_rejected_and_noted(clinic: Clinic) -> None:
    with Caller(clinic.product.dicom.port) as caller:
        assert caller.associate([(CT_IMAGE, [EXPLICIT])], calling="NOBODY") == 3
    row = clinic.audited("association_rejected", "calling_ae_title")
    assert (row["user"], row["from"]) == ("peer:NOBODY", "127.0.0.1")
    clinic.works()


def test_a_data_set_of_another_class_is_refused_and_noted(clinic: Clinic) -> None:
    wrong = replace(clinic.object(clinic.accession()), sop_class_uid=MR_IMAGE)
    (result,) = clinic.product.store([wrong])
    assert result.status == 0xA900
    row = clinic.audited("instance_refused", "A900")
    assert row["user"] == "peer:CT1"
    assert clinic.api.get(f"/api/studies/{wrong.sop_instance_uid.rpartition('.1.')[0]}").status_code == 404
    clinic.works()


def test_an_association_aborted_amid_an_object_leaves_nothing_but_a_note(clinic: Clinic) -> None:
    accession = clinic.accession()
    uid = f"{study_uid(accession)}.1.1"
    with Caller(clinic.product.dicom.port) as caller:
        assert caller.associate([(CT_IMAGE, [EXPLICIT])], calling="CT1") == 2
        caller.send(p_data(pdv(1, 3, caller.command(1, CT_IMAGE, True, x1000=uid))))
        caller.send(p_data(pdv(1, 0, bytes(10_000))))
        caller.send(pdu(7, bytes(4)))
        assert caller.is_closed()
    clinic.audited("association_broken", "aborted")
    assert clinic.api.get(f"/api/studies/{study_uid(accession)}").status_code == 404
    assert not list((clinic.product.folder / "data" / "blobs" / "spool").iterdir())
    clinic.works()


# The FHIR server.


@pytest.mark.parametrize("mode", ["500", "429", "hang", "commit-then-hang", "commit-then-500", "commit-then-reset"])
def test_a_server_that_fails_is_asked_again_and_ends_with_one_entry(clinic: Clinic, mode: str) -> None:
    clinic.misbehave_next(mode)
    accession = clinic.works()
    sent = clinic.delivery(accession, "sent")
    tried = clinic.api.get(f"/api/deliveries/{sent['id']}").json()["tried"]
    assert [one["outcome"] for one in tried][-1] == "sent"
    assert len(tried) >= 2
    assert all(one["detail"] for one in tried[:-1])
    assert len(clinic.charted(accession)) == 1


def test_what_the_server_will_not_have_waits_for_a_person_and_keeps_nobody_waiting(clinic: Clinic) -> None:
    clinic.misbehave_next("422", count=None)
    refused = clinic.works()
    dead = clinic.delivery(refused, "dead")
    assert dead["last_error"]
    clinic.ehr.misbehave("ok")
    following = clinic.works()
    clinic.delivery(following, "sent")
    assert clinic.charted(refused) == []
    assert clinic.api.post(f"/api/deliveries/{dead['id']}/retry").status_code == 200
    clinic.delivery(refused, "sent")
    assert len(clinic.charted(refused)) == 1


def test_a_server_that_asks_for_time_gets_it_and_the_queue_says_so(clinic: Clinic) -> None:
    clinic.ehr.misbehave("429")
    accession = clinic.works()
    pending = wait_for(
        lambda: (row := clinic.delivery(accession, "pending"))["attempts"] and row["last_error"] and row, "an attempt"
    )
    assert pending["next_at"]
    clinic.ehr.misbehave("ok")
    clinic.delivery(accession, "sent")
    assert len(clinic.charted(accession)) == 1
