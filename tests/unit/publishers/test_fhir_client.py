"""What each answer of a FHIR server means, and what never leaves for it or from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from bridge.clock import Clock, FixedClock
from bridge.errors import BridgeError, Conflict, Malformed, Misconfigured, Refused, Unavailable, Unsupported
from bridge.outbox.retry import THROTTLED
from bridge.publishers.fhir_client import FhirClient
from bridge.sections.fhir import FhirServer
from bridge.sections.remote import Auth, BasicAuth, BearerAuth, NoAuth, SmartBackendAuth
from samples.ehr_door import Door
from samples.strict_ehr import StrictEhr
from tests.fakes.clinic import AT

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
Connect = Callable[..., FhirClient]


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    server = StrictEhr(slow_secs=1.0).start()
    yield server
    server.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients: list[FhirClient] = []

    def make(ehr: StrictEhr, auth: Auth | None = None) -> FhirClient:
        server = FhirServer(name="ehr", base_url=ehr.base_url, auth=auth or NoAuth(), timeout_secs=2)
        clients.append(FhirClient(server, FixedClock(AT)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("400", Malformed),
        ("401", Refused),
        ("403", Refused),
        ("404", Unavailable),
        ("405", Unsupported),
        ("408", Unavailable),
        ("409", Conflict),
        ("412", Conflict),
        ("413", Malformed),
        ("418", Unavailable),
        ("422", Malformed),
        ("429", Unavailable),
        ("500", Unavailable),
        ("501", Unsupported),
        ("503", Unavailable),
        ("hang", Unavailable),
        ("drip", Unavailable),
        ("garbage", Unavailable),
        ("empty", Unavailable),
        ("truncated", Unavailable),
        ("redirect", Unavailable),
        ("huge", Unavailable),
        ("commit-then-reset", Unavailable),
    ],
)
def test_what_an_answer_to_a_write_means(ehr: StrictEhr, connect: Connect, mode: str, kind: type[BridgeError]) -> None:
    ehr.misbehave(mode)
    with pytest.raises(kind) as caught:
        connect(ehr).create_unless(PATIENT, {"identifier": "urn:x|1"})
    assert type(caught.value) is kind


@pytest.mark.parametrize("mode", ["409", "412"])
def test_a_conflict_to_a_question_is_a_passing_trouble(ehr: StrictEhr, connect: Connect, mode: str) -> None:
    ehr.misbehave(mode)
    with pytest.raises(Unavailable):
        connect(ehr).search("Patient", {"identifier": "urn:x|1"})


def test_the_time_that_a_server_asks_for_is_passed_on(ehr: StrictEhr, connect: Connect) -> None:
    ehr.misbehave("503")
    with pytest.raises(Unavailable) as caught:
        connect(ehr).search("Patient", {"identifier": "urn:x|1"})
    assert (caught.value.code, caught.value.retry_after_secs) == (THROTTLED, 1.0)


def test_a_refusal_names_the_place_and_not_the_servers_words(ehr: StrictEhr, connect: Connect) -> None:
    with pytest.raises(Malformed) as caught:
        connect(ehr).create_unless(PATIENT | {"birthDate": "HALVORSEN"}, {"identifier": "urn:x|1"})
    assert "Patient.birthDate" in caught.value.detail
    assert "HALVORSEN" not in caught.value.detail


def test_a_resource_that_is_gone_is_none(ehr: StrictEhr, connect: Connect) -> None:
    client = connect(ehr)
    made = client.create_unless(PATIENT, {"identifier": "urn:x|1"})
    ehr.books.delete("Patient", made.resource["id"])
    assert client.read(made.reference) is None
    assert client.read("Patient/nobody") is None


def test_another_version_than_the_one_that_was_read_is_a_conflict(ehr: StrictEhr, connect: Connect) -> None:
    client = connect(ehr)
    made = client.create_unless(PATIENT, {"identifier": "urn:x|1"})
    client.update(made.resource, made.version)
    with pytest.raises(Conflict):
        client.update(made.resource, made.version)


@pytest.mark.parametrize(
    "said", ["https://elsewhere.example.org/Patient/1", "Patient/../Claim/1", "Group/1", "//x/Patient/1"]
)
def test_a_reference_that_leads_elsewhere_is_not_followed(ehr: StrictEhr, connect: Connect, said: str) -> None:
    with pytest.raises(Conflict):
        connect(ehr).own_reference(said, "Patient")


def test_a_reference_of_the_server_itself_is_followed_in_any_form(ehr: StrictEhr, connect: Connect) -> None:
    client = connect(ehr)
    for said in ("Patient/1", f"{ehr.base_url}/Patient/1", "Patient/1/_history/3"):
        assert client.own_reference(said, "Patient") == "Patient/1"


@pytest.mark.parametrize("token", ["right", "wrong"])
def test_a_bearer_token_opens_the_door(connect: Connect, token: str) -> None:
    ehr = StrictEhr(door=Door(token="right")).start()
    client = connect(ehr, BearerAuth.model_validate({"kind": "bearer", "token": token}))
    try:
        if token == "right":
            assert client.search("Patient", {"identifier": "urn:x|1"}) == []
            return
        with pytest.raises(Refused):
            client.search("Patient", {"identifier": "urn:x|1"})
    finally:
        ehr.stop()


def test_a_password_is_sent_as_basic_authentication(ehr: StrictEhr, connect: Connect) -> None:
    auth = BasicAuth.model_validate({"kind": "basic", "username": "bridge", "password": "secret"})
    header = connect(ehr, auth)._authorization.header(renew=False)
    assert header == "Basic YnJpZGdlOnNlY3JldA=="


@pytest.mark.parametrize("key", [RSAKey.generate_key(2048), ECKey.generate_key("P-384")], ids=["RS384", "ES384"])
def test_a_signed_assertion_brings_a_token_that_is_kept_and_renewed_once_when_refused(
    connect: Connect, tmp_path: Path, key: RSAKey | ECKey
) -> None:
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.as_pem(private=True))
    door = Door(client_id="bridge", key=key)
    ehr = StrictEhr(door=door).start()
    auth = SmartBackendAuth(kind="smart-backend", client_id="bridge", key=pem)
    server = FhirServer(name="ehr", base_url=ehr.base_url, auth=auth, timeout_secs=2)
    client = FhirClient(server, Clock())
    try:
        for _ in range(3):
            client.search("Patient", {"identifier": "urn:x|1"})
        assert sum("/token" in one for one in ehr.requests) == 1
        door.forget_tokens()
        client.search("Patient", {"identifier": "urn:x|1"})
        assert sum("/token" in one for one in ehr.requests) == 2
    finally:
        client.close()
        ehr.stop()


def test_a_client_that_is_not_known_gets_no_token_and_is_refused(tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    ehr = StrictEhr(door=Door(client_id="bridge", key=RSAKey.generate_key(2048))).start()
    auth = SmartBackendAuth(kind="smart-backend", client_id="bridge", key=pem)
    client = FhirClient(FhirServer(name="ehr", base_url=ehr.base_url, auth=auth), FixedClock(AT + timedelta(days=1)))
    try:
        with pytest.raises(Refused):
            client.search("Patient", {"identifier": "urn:x|1"})
    finally:
        client.close()
        ehr.stop()


def test_a_key_that_cannot_be_read_stops_the_start(tmp_path: Path, ehr: StrictEhr, connect: Connect) -> None:
    pem = tmp_path / "key.pem"
    other_curve = ECKey.generate_key("P-256").as_pem(private=True)
    for prepare in (lambda: None, lambda: pem.write_text("no key"), lambda: pem.write_bytes(other_curve)):
        prepare()
        with pytest.raises(Misconfigured):
            connect(ehr, SmartBackendAuth(kind="smart-backend", client_id="bridge", key=pem))


def test_what_is_asked_stands_in_no_log(ehr: StrictEhr, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    with caplog.at_level(logging.WARNING):
        connect(ehr).search("Patient", {"identifier": "urn:x|00041001"})
    assert "00041001" not in caplog.text
