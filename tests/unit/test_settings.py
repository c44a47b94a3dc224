"""Settings: defaults that are safe, every fault at once, the environment over the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge import settings
from bridge.errors import Misconfigured
from bridge.safety import check_demonstration, check_start, is_loopback
from bridge.sections.remote import SmartBackendAuth
from bridge.settings import Settings


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "bridge.toml"
    path.write_text(text, "utf-8")
    return settings.load(path, environment or {})


def test_without_a_file_every_listener_keeps_to_loopback() -> None:
    found = settings.load(None, {})
    assert all(is_loopback(host) for host in (found.hl7.host, found.dicom.host, found.http.host))
    assert (found.hl7.port, found.dicom.port, found.http.port) == (2575, 11112, 8080)
    assert (found.hl7.senders, found.dicom.callers) == ("known", "known")


def test_every_fault_is_named_with_the_nearest_right_word(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(
            tmp_path,
            '[hl7]\nprot = 1\n[dicom]\nae_title = "MUCH_TOO_LONG_A_TITLE"\n[[dicom.peers]]\nae_title = "CT1"\n',
        )
    said = "\n".join(refused.value.faults)
    assert "hl7.prot: unknown key, did you mean 'port'?" in said
    assert "dicom.ae_title" in said
    assert "dicom.peers.0.host" in said


def test_a_fault_never_repeats_a_secret(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, '[[fhir.servers]]\nname = "e"\nbase_url = "u"\nauth = { kind = "bearer", tokn = "s3cret" }\n')
    assert "s3cret" not in str(refused.value)


def test_the_environment_lies_over_the_file(tmp_path: Path) -> None:
    environment = {"IMAGING_BRIDGE__HL7__PORT": "9999", "IMAGING_BRIDGE__BRIDGE__ORGANIZATION": "Somewhere Else"}
    found = load(tmp_path, "[hl7]\nport = 1\n", environment)
    assert (found.hl7.port, found.bridge.organization) == (9999, "Somewhere Else")


def test_an_unknown_name_in_the_environment_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        load(tmp_path, "", {"IMAGING_BRIDGE__HL7__PROT": "9999"})


def test_relative_folders_are_the_file_s_own(tmp_path: Path) -> None:
    found = load(tmp_path, '[bridge]\ndata = "var"\nmappings = "m"\n')
    assert (found.bridge.data, found.bridge.mappings) == (tmp_path / "var", tmp_path / "m")


def test_so_is_every_other_relative_path(tmp_path: Path) -> None:
    tls = 'tls = { certificate = "c.pem", key = "k.pem", client_ca = "ca.pem" }\n'
    server = '[[fhir.servers]]\nname = "e"\nbase_url = "https://e"\n'
    auth = 'auth = { kind = "smart-backend", client_id = "i", key = "ehr.pem" }\n'
    found = load(tmp_path, f'[store]\nblobs = "b"\n[hl7]\n{tls}[dicom]\n{tls}[http]\n{tls}{server}{auth}')
    assert found.blob_folder == tmp_path / "b"
    for one in (found.hl7.tls, found.dicom.tls, found.http.tls):
        assert one is not None
        assert (one.certificate, one.key, one.client_ca) == tuple(tmp_path / n for n in ("c.pem", "k.pem", "ca.pem"))
    (ehr,) = found.fhir.servers
    assert isinstance(ehr.auth, SmartBackendAuth)
    assert ehr.auth.key == tmp_path / "ehr.pem"


def test_a_path_from_the_root_stays(tmp_path: Path) -> None:
    found = load(tmp_path, '[store]\nblobs = "/srv/b"\n[http]\ntls = { certificate = "/c.pem", key = "/k.pem" }\n')
    assert found.blob_folder == Path("/srv/b")
    assert found.http.tls is not None
    assert found.http.tls.key == Path("/k.pem")


def test_a_place_that_is_no_folder_is_not_made_one(tmp_path: Path) -> None:
    found = load(tmp_path, '[store]\nblobs = "s3://bucket"\n')
    assert found.store.blobs == "s3://bucket"


def test_a_peer_is_listed_once(tmp_path: Path) -> None:
    peer = '[[dicom.peers]]\nae_title = "CT1"\nhost = "h"\nport = 1\nroles = ["modality"]\n'
    with pytest.raises(Misconfigured, match="listed twice: CT1"):
        load(tmp_path, peer + peer)


def test_an_issuer_has_one_name_and_one_system(tmp_path: Path) -> None:
    text = '[[identity.authorities]]\nname = "MERCY"\noid = "1.2.3"\n[[identity.authorities]]\nname = "R"\nsystem = "http://r"\n'
    identity = load(tmp_path, text).identity
    assert identity.name_of("1.2.3") == "MERCY"
    assert identity.system_of("MERCY") == "urn:oid:1.2.3"
    assert identity.system_of("R") == "http://r"
    assert "ELSEWHERE" in identity.system_of("ELSEWHERE")
    assert identity.system_of("ELSEWHERE") != "ELSEWHERE"


def test_the_settings_that_everybody_starts_with_are_safe() -> None:
    check_start(Settings(), has_administrator=False)


def test_beyond_loopback_every_reason_is_given_at_once() -> None:
    found = Settings.model_validate(
        {"hl7": {"host": "0.0.0.0"}, "dicom": {"host": "0.0.0.0"}, "http": {"host": "0.0.0.0"}}
    )
    with pytest.raises(Misconfigured) as refused:
        check_start(found, has_administrator=False)
    assert len(refused.value.faults) >= 5


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("k")
    key.chmod(0o644)
    found = Settings.model_validate({"hl7": {"tls": {"certificate": tmp_path / "c.pem", "key": key}}})
    with pytest.raises(Misconfigured, match="others can read it"):
        check_start(found, has_administrator=True)


RIS = '[[hl7.destinations]]\nname = "ris"\nport = 2576\n'


def test_what_a_destination_cannot_be_told_stops_the_start(tmp_path: Path) -> None:
    host = 'host = "127.0.0.1"\n'
    for bad, said in (
        ('messages = ["ORM^O01", "OMG^O19"]', "not both"),
        ('messages = ["OMG^O19"]\nversion = "2.3.1"', "needs version 2.5.1"),
        ('messages = ["ADT^A08"]', "messages"),
        ('charset = "KLINGON"', "charset"),
        ('link = "RP"', "a link goes with images"),
        ('messages = ["ORU^R01"]\nlink = "ST"', "needs [http] public_url"),
        ('messages = ["ORU^R01"]\nlink = "ED"', "link"),
        ('tls = { certificate = "a.pem" }', "certificate and key go together"),
        (f"{RIS}{host}", "listed twice: ris"),
    ):
        with pytest.raises(Misconfigured) as refused:
            load(tmp_path, f"{RIS}{host}{bad}\n")
        assert said in str(refused.value), bad


def test_a_server_that_cannot_say_what_changed_stops_the_start(tmp_path: Path) -> None:
    server = '[[fhir.servers]]\nname = "ehr"\nbase_url = "https://ehr.example"\n'
    payer = '[[payers]]\nname = "acme"\nid = "1"\nbase_url = "https://payer.example"\nrequests_told = true\n'
    for bad, said in (
        (
            f"{server}orders = {{ told = true }}\n",
            "'ehr' (hl7.destinations, payers, fhir.servers) needs [http] public_url",
        ),
        (f'{server}version = "R5"\nauthorizations = {{ told = true }}\n', "told = true is for version R4"),
        (f'{payer}kind = ["cdex"]\n', "'acme' (hl7.destinations, payers, fhir.servers) needs [http] public_url"),
        (f'{payer}kind = ["pas"]\n', "requests_told = true is for a payer"),
        (f'{payer}kind = ["cdex"]\nrequests_every_secs = 0\n', "requests_told = true is for a payer"),
    ):
        with pytest.raises(Misconfigured) as refused:
            load(tmp_path, bad)
        assert said in str(refused.value), bad


def test_messages_leave_this_machine_encrypted_or_by_a_word(tmp_path: Path) -> None:
    beyond = f'{RIS}host = "ris.example.org"\n'
    with pytest.raises(Misconfigured) as refused:
        check_start(load(tmp_path, beyond), has_administrator=True)
    assert "ris: plain MLLP beyond loopback" in str(refused.value)
    for allowed in (f"{beyond}plain = true\n", f"{beyond}tls = {{}}\n", f'{RIS}host = "127.0.0.1"\n'):
        check_start(load(tmp_path, allowed), has_administrator=True)


def test_a_destination_s_key_is_a_secret(tmp_path: Path) -> None:
    key = tmp_path / "ours.key"
    key.write_text("secret", "utf-8")
    key.chmod(0o644)
    text = f'{RIS}host = "ris.example.org"\ntls = {{ certificate = "ours.pem", key = "ours.key" }}\n'
    with pytest.raises(Misconfigured) as refused:
        check_start(load(tmp_path, text), has_administrator=True)
    assert "others can read it" in str(refused.value)


def test_a_demonstration_tells_nobody_beyond_this_machine(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        check_demonstration(load(tmp_path, f'{RIS}host = "ris.example.org"\nplain = true\n'))


CT1 = '[[dicom.peers]]\nae_title = "CT1"\nhost = "h"\nport = 1\nroles = ["modality"]\n'


def test_what_a_device_is_shown_may_stand_in_its_entry_or_below_it(tmp_path: Path) -> None:
    inline = load(tmp_path, f'{CT1}worklist = {{ preset = "ge_ct", window = {{ days_back = 0 }} }}\n')
    below = load(tmp_path, f'{CT1}[dicom.peers.worklist]\npreset = "ge_ct"\nwindow.days_back = 0\n')
    assert inline.dicom.peers == below.dicom.peers
    assert inline.dicom.peers[0].worklist.preset == "ge_ct"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("worklist = { leavs = 1 }", "dicom.peers.0.worklist.leavs: unknown key, did you mean 'leaves'?"),
        ('worklist = { leaves = "never" }', "dicom.peers.0.worklist.leaves: input should be 'started', 'images'"),
        ('worklist = { sees = ["rooms"] }', "dicom.peers.0.worklist.sees.0: input should be 'station'"),
        ('worklist = { day_ends = "24:00" }', "dicom.peers.0.worklist.day_ends: a time of day is wanted"),
        ("worklist = { max_results = 0 }", "dicom.peers.0.worklist.max_results: input should be greater"),
        (
            "worklist = { window = { days_bak = 1 } }",
            "dicom.peers.0.worklist.window.days_bak: unknown key, did you mean",
        ),
        (
            "worklist = { window = { days_back = 1, hours_back = 1 } }",
            "dicom.peers.0.worklist.window: hours_back or days_back, not both",
        ),
        (
            'worklist = { stations = ["A_TITLE_THAT_IS_TOO_LONG"] }',
            "dicom.peers.0.worklist.stations.0: not an AE title",
        ),
        ('modality = "ct"', "dicom.peers.0.modality: not a modality"),
        ('aliases = ["CT1"]', "dicom.peers: listed twice: CT1"),
    ],
)
def test_a_device_that_is_described_wrongly_stops_the_start(tmp_path: Path, said: str, fault: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, CT1 + said + "\n")
    assert "\n".join(refused.value.faults).startswith(fault)


def test_two_devices_cannot_share_an_alias(tmp_path: Path) -> None:
    second = CT1.replace("CT1", "CT2")
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, f'{CT1}aliases = ["CT"]\n{second}aliases = ["CT"]\n')
    assert refused.value.faults == ("dicom.peers: listed twice: CT",)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('blobs = "s3://Bucket_Name"', "a bucket is written"),
        ('blobs = "ftp://somewhere"', "a folder, or"),
        ('s3 = { endpoint = "minio:9000" }', "an address is"),
        ('s3 = { endpoint = "https://user:pass@host" }', "an address is"),
        ('s3 = { access_key_id = "a" }', "go together"),
    ],
)
def test_a_bucket_that_is_described_wrongly_stops_the_start(tmp_path: Path, said: str, fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault) as refused:
        load(tmp_path, f"[store]\n{said}\n")
    assert "pass@" not in str(refused.value)


def test_a_bucket_is_reached_in_the_clear_on_this_machine_only(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "[::1]", "localhost"):
        found = load(tmp_path, f'[store]\nblobs = "s3://images/one"\ns3 = {{ endpoint = "http://{host}:9000" }}\n')
        check_start(found, has_administrator=False)
    found = load(tmp_path, '[store]\nblobs = "s3://images/one"\ns3 = { endpoint = "http://minio.example.org" }\n')
    with pytest.raises(Misconfigured, match="use https"):
        check_start(found, has_administrator=False)


def test_a_bucket_s_secret_is_shown_nowhere(tmp_path: Path) -> None:
    found = load(tmp_path, '[store]\ns3 = { access_key_id = "AKIA", secret_access_key = "hush" }\n')
    assert "hush" not in repr(found)
    assert "AKIA" not in repr(found)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('[[outside.hl7]]\nname = "mpi"\nhost = "mpi.example.org"\nport = 2575\n', "plain MLLP beyond loopback"),
        ('[[outside.fhir]]\nname = "hie"\nbase_url = "http://hie.example.org/fhir"\n', "plain http beyond loopback"),
        (
            '[[payers]]\nname = "acme"\nid = "60054"\nbase_url = "http://acme.example.org/fhir"\n',
            "plain http beyond loopback",
        ),
        ('[[outside.fhir]]\nname = "hie"\nbase_url = "https://me:secret@hie.example.org"\n', "belongs in auth"),
        ('[[outside.fhir]]\nname = "hie"\nbase_url = "hie.example.org"\n', "no address"),
    ],
)
def test_nobody_is_asked_who_somebody_is_in_the_clear(tmp_path: Path, section: str, said: str) -> None:
    found = load(tmp_path, section)
    with pytest.raises(Misconfigured, match=said):
        check_start(found, has_administrator=True)
    with pytest.raises(Misconfigured):
        check_demonstration(found)


def test_two_registries_of_one_name_are_refused(tmp_path: Path) -> None:
    server = '[[outside.fhir]]\nname = "hie"\nbase_url = "https://hie.example.org/fhir"\n'
    with pytest.raises(Misconfigured, match="listed twice"):
        load(tmp_path, server * 2)
    check_start(load(tmp_path, server), has_administrator=True)
