"""The running product among its peers: dcmtk's tools as devices and viewers, Orthanc as the clinic's archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pydicom
import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome as FhirRefused
from fhirpy.base.exceptions import ResourceNotFound
from pydicom.dataset import Dataset

from tests import cast
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, adt, image, order, study_uid
from tests.conftest import dcmtk_tool, run_tool
from tests.peer.archives import OrthancArchive
from tests.product.running import EHR_SYSTEM, Product, wait_for

pytestmark = pytest.mark.peer

PEERS = """
[[dicom.peers]]
ae_title = "CT1"
host = "127.0.0.1"
port = 1
roles = ["modality"]
modality = "CT"
[[dicom.peers]]
ae_title = "US1"
host = "127.0.0.1"
port = 1
roles = ["modality"]
modality = "US"
charset = "ISO_IR 100"
[[dicom.peers]]
ae_title = "VIEWER"
host = "127.0.0.1"
port = 1
roles = ["viewer"]
"""


class Pacs(OrthancArchive):
    """A running Orthanc, asked over its REST interface."""

    def know(self, ae_title: str, port: int) -> None:
        """Let it call *ae_title* on loopback, and be called by it."""
        said = {"AET": ae_title, "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
        self.http.put("/modalities/bridge", json=said).raise_for_status()

    def asks_to_keep(self, *datasets: Dataset) -> dict[str, Any]:
        """Ask the bridge to commit to *datasets*; return what it was told once it was told."""
        wanted = [[one.SOPClassUID, one.SOPInstanceUID] for one in datasets]
        asked = self.http.post("/modalities/bridge/storage-commitment", json={"DicomInstances": wanted}).json()

        def told() -> dict[str, Any] | None:
            found: dict[str, Any] = self.http.get(f"/storage-commitment/{asked['ID']}").json()
            return found if found["Status"] != "Pending" else None

        return wait_for(told, "a report on the commitment")

    def query(self, level: str, **keys: str) -> tuple[str, list[dict[str, Any]]]:
        """Query the bridge; return the query and its answers."""
        asked = self.http.post("/modalities/bridge/query", json={"Level": level, "Query": keys}).json()["ID"]
        return asked, self.http.get(f"/queries/{asked}/answers", params={"expand": "", "simplify": ""}).json()

    def retrieve(self, query: str) -> None:
        """Have everything that a query found moved here."""
        said = {"TargetAet": "PACS", "Synchronous": True, "Timeout": 30}
        self.http.post(f"/queries/{query}/retrieve", json=said, timeout=60).raise_for_status()

    def forget(self, study: str) -> None:
        """Drop a study."""
        for one in self.http.post("/tools/lookup", content=study).json():
            if one["Type"] == "Study":
                self.http.delete(f"/studies/{one['ID']}").raise_for_status()


@dataclass
class Clinic:
    """The product, its archive and its administrator's client."""

    product: Product
    pacs: Pacs
    api: httpx2.Client
    folder: Path

    def run(self, name: str, *arguments: str, calling: str = "CT1") -> str:
        """Run dcmtk's tool *name* against the product; return what it said, having succeeded."""
        dicom = self.product.dicom
        ended = run_tool(
            dcmtk_tool(name), "-v", "-aet", calling, "-aec", dicom.ae_title, dicom.host, str(dicom.port), *arguments
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    def store(self, *datasets: Dataset) -> None:
        paths = [cast.write_file(one, self.folder / f"{one.SOPInstanceUID}.dcm") for one in datasets]
        self.run("storescu", *map(str, paths))

    def state(self, accession: str) -> str:
        return str(self.api.get(f"/api/studies/{study_uid(accession)}").json()["state"])

    def archived(self, accession: str, count: int) -> list[Dataset]:
        """Wait until the archive holds *count* instances."""

        def look() -> list[Dataset] | None:
            found = self.pacs.instances(study_uid(accession))
            return found if len(found) >= count else None

        return wait_for(look, f"{count} instances in Orthanc")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, orthanc: str) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("peers")
    pacs = Pacs(orthanc, folder)
    archive = f'[[dicom.peers]]\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {pacs.port}\nroles = ["archive"]\n'
    product = Product(folder, {"peers": PEERS + archive})
    try:
        product.start()
        pacs.know(product.dicom.ae_title, product.dicom.port)
        yield Clinic(product, pacs, product.api(product.token()), folder)
    finally:
        if product.addresses:
            product.stop()
        pacs.stop()


def test_echoscu_is_answered(clinic: Clinic) -> None:
    assert "Success" in clinic.run("echoscu")


def test_findscu_finds_by_each_key_that_devices_use(clinic: Clinic) -> None:
    answers = clinic.product.say(
        order(PLAIN, "W1", start="20260302101500"), order(MULTI_BYTE, "W2", start="20260303090000", modality="US")
    )
    assert all(b"MSA|AA" in answer for answer in answers)
    step = "ScheduledProcedureStepSequence[0]"
    wanted = {"AccessionNumber=W*": 2, "AccessionNumber=W1": 1, "AccessionNumber=W3": 0}
    wanted |= {f"PatientID={PLAIN.patient_id}": 1, "PatientName=halvorsen*": 1, "PatientName=*NOBODY*": 0}
    wanted |= {f"{step}.Modality=US": 1, f"{step}.ScheduledStationAETitle=CT1": 1}
    wanted |= {f"{step}.ScheduledProcedureStepStartDate=20260302-20260303": 2}
    wanted |= {f"{step}.ScheduledProcedureStepStartDate=20260303-": 1}
    wanted |= {f"{step}.ScheduledProcedureStepStartDate=-20260302": 1}
    found = {}
    for key in wanted:
        said = clinic.run("findscu", "-W", "-k", "AccessionNumber", "-k", "PatientName", "-k", key)
        found[key] = said.count("Find Response:")
    assert found == wanted


def test_findscu_gets_the_step_it_asked_for_in_the_device_s_character_set(clinic: Clinic) -> None:
    assert b"MSA|AA" in clinic.product.say(order(MULTI_BYTE, "W4", modality="US"))[0]
    out = clinic.folder / "answers"
    out.mkdir()
    keys = ("PatientName", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber=W4", "RequestedProcedureID")
    step = ("ScheduledProcedureStepID", "ScheduledProcedureStepStartDate", "Modality", "ScheduledStationAETitle")
    asked = [*keys, *(f"ScheduledProcedureStepSequence[0].{name}" for name in step)]
    clinic.run("findscu", "-W", "-X", "-od", str(out), *(word for key in asked for word in ("-k", key)), calling="US1")
    (item,) = [pydicom.dcmread(path, force=True) for path in out.iterdir()]
    assert item.SpecificCharacterSet == "ISO_IR 100"
    assert (item.PatientName, item.PatientBirthDate) == (MULTI_BYTE.name, MULTI_BYTE.birth_date)
    assert item.StudyInstanceUID == study_uid("W4")
    (scheduled,) = item.ScheduledProcedureStepSequence
    assert (scheduled.Modality, scheduled.ScheduledStationAETitle) == ("US", "US1")
    assert scheduled.ScheduledProcedureStepID


def test_images_from_storescu_reach_the_archive_once_bound(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "P1"))
    sent = [image(PLAIN, "P1", number, pixels=bytes([number, 0]) * 32) for number in (1, 2, 3)]
    clinic.store(*sent)
    assert clinic.state("P1") == "bound"
    archived = {one.SOPInstanceUID: one for one in clinic.archived("P1", 3)}
    for one in sent:
        assert archived[one.SOPInstanceUID].PixelData == one.PixelData
        assert archived[one.SOPInstanceUID].PatientName == PLAIN.name


def test_a_study_bound_with_correction_reaches_the_archive_corrected(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "P2"))
    typed = image(PLAIN, "P2")
    typed.PatientName, typed.PatientID = "halvorsen^ingrid", PLAIN.patient_id.lstrip("0")
    clinic.store(typed)
    assert clinic.state("P2") == "bound_with_correction"
    (archived,) = clinic.archived("P2", 1)
    assert (archived.PatientID, archived.PatientName) == (PLAIN.patient_id, PLAIN.name)
    assert archived.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == typed.PatientID


def test_a_study_in_review_reaches_nobody_until_a_person_has_bound_it(clinic: Clinic) -> None:
    clinic.product.say(adt(NEAR_TWIN), order(PLAIN, "P3"), order(PLAIN, "P4"))
    wrong = image(PLAIN, "P3")
    wrong.PatientName = NEAR_TWIN.name
    clinic.store(wrong)
    assert clinic.state("P3") == "review"
    # What was bound later has arrived, so the one before was not merely slow.
    clinic.store(image(PLAIN, "P4"))
    clinic.archived("P4", 1)
    assert clinic.pacs.instances(study_uid("P3")) == []
    (held,) = [
        row
        for row in clinic.api.get("/api/deliveries", params={"state": "held"}).json()["deliveries"]
        if row["study_instance_uid"] == study_uid("P3")
    ]
    assert held["held_reason"]
    (mismatch,) = [
        row
        for row in clinic.api.get("/api/mismatches").json()["mismatches"]
        if row["study_instance_uid"] == study_uid("P3")
    ]
    decision = {"action": "bind", "accession_number": "P3", "reason": "wristband checked"}
    assert clinic.api.post(f"/api/mismatches/{mismatch['id']}/decision", json=decision).status_code == 200
    (archived,) = clinic.archived("P3", 1)
    assert archived.PatientName == PLAIN.name


def test_findscu_and_getscu_give_a_viewer_what_is_bound_and_nothing_else(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "P5"), order(PLAIN, "P6"))
    clinic.store(image(PLAIN, "P5", 1), image(PLAIN, "P5", 2))
    doubtful = image(PLAIN, "P6")
    doubtful.PatientName = NEAR_TWIN.name
    clinic.store(doubtful)
    for accession, count in (("P5", 2), ("P6", 0)):
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid(accession)}")
        found = clinic.run("findscu", "-S", *keys, calling="VIEWER")
        assert found.count("Find Response:") == bool(count)
        for dates in ("20260302-", "-20260302", "20260301-20260303"):
            found = clinic.run("findscu", "-S", *keys, "-k", f"StudyDate={dates}", calling="VIEWER")
            assert found.count("Find Response:") == bool(count)
        out = clinic.folder / f"got-{accession}"
        out.mkdir()
        clinic.run("getscu", "-S", "+B", "-od", str(out), *keys, calling="VIEWER")
        assert len(list(out.iterdir())) == count


def test_movescu_moves_a_study_to_the_archive(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "P7"))
    clinic.store(image(PLAIN, "P7"))
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid('P7')}")
    said = clinic.run("movescu", "-S", "-aem", "PACS", *keys, calling="VIEWER")
    assert "Success" in said
    assert [one.PatientName for one in clinic.archived("P7", 1)] == [PLAIN.name]


def test_an_archive_that_has_committed_is_said_to(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "C1"))
    clinic.store(image(PLAIN, "C1", 1), image(PLAIN, "C1", 2))

    def told() -> bool:
        exam = clinic.api.get("/api/exams/C1").json()
        return any(line["what"] == "PACS has committed 2 of 2" for line in exam["timeline"])

    wait_for(told, "Orthanc's report")
    (copy,) = clinic.api.get(f"/api/studies/{study_uid('C1')}").json()["copies"]
    assert (copy["archive"], copy["forwarded"], copy["committed"]) == ("PACS", 2, 2)


def test_orthanc_is_told_what_is_kept_and_what_is_not(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "C2"))
    kept, unknown = image(PLAIN, "C2", 1), image(PLAIN, "C2", 2)
    clinic.store(kept)
    said = clinic.pacs.asks_to_keep(kept, unknown)
    assert said["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in said["Success"]] == [kept.SOPInstanceUID]
    assert [one["SOPInstanceUID"] for one in said["Failures"]] == [unknown.SOPInstanceUID]
    assert clinic.pacs.asks_to_keep(kept)["Status"] == "Success"


def test_orthanc_finds_and_retrieves_at_each_level(clinic: Clinic) -> None:
    clinic.product.say(order(PLAIN, "C3"))
    sent = [image(PLAIN, "C3", number, pixels=bytes([number, 0]) * 32) for number in (1, 2)]
    clinic.store(*sent)
    clinic.archived("C3", 2)
    uid, series = study_uid("C3"), str(sent[0].SeriesInstanceUID)
    levels = {
        "Study": {"PatientName": "HALV*", "AccessionNumber": "C3", "NumberOfStudyRelatedInstances": ""},
        "Series": {"StudyInstanceUID": uid, "Modality": "CT"},
        "Instance": {"StudyInstanceUID": uid, "SeriesInstanceUID": series, "SOPInstanceUID": sent[0].SOPInstanceUID},
    }
    for level, keys in levels.items():
        clinic.pacs.forget(uid)
        query, answers = clinic.pacs.query(level, **keys)
        assert [one["StudyInstanceUID"] for one in answers] == [uid], level
        clinic.pacs.retrieve(query)
        held = {one.SOPInstanceUID: one.PixelData for one in clinic.pacs.instances(uid)}
        wanted = sent[:1] if level == "Instance" else sent
        assert held == {one.SOPInstanceUID: one.PixelData for one in wanted}, level


def test_movescu_to_somebody_unknown_is_refused(clinic: Clinic) -> None:
    dicom, keys = clinic.product.dicom, ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid('P7')}")
    calling = ("-v", "-S", "-aet", "VIEWER", "-aec", dicom.ae_title, "-aem", "NOBODY")
    ended = run_tool(dcmtk_tool("movescu"), *calling, dicom.host, str(dicom.port), *keys)
    assert "MoveDestinationUnknown" in (ended.stdout + ended.stderr).replace(" ", "")


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_fhirpy_searches_follows_pages_and_reads_what_is_bound(clinic: Clinic, release: str) -> None:
    numbers = [f"F{count}{release}" for count in range(3)]
    for number in numbers:
        clinic.product.say(order(PLAIN, number))
        clinic.store(image(PLAIN, number))
    token = clinic.product.token("system", "--scope", "system/*.rs")
    client = SyncFHIRClient(
        f"{clinic.product.addresses['http'].rstrip('/')}/fhir/{release}", authorization=f"Bearer {token}"
    )
    studies = client.resources("ImagingStudy")
    (person,) = client.resources("Patient").search(identifier=f"{EHR_SYSTEM}|{PLAIN.patient_id}").fetch()
    theirs = studies.search(patient__identifier=f"{EHR_SYSTEM}|{PLAIN.patient_id}", status="available")

    def all_there() -> list[Any] | None:
        found = theirs.limit(2).fetch_all()
        uids = {one["identifier"][0]["value"].removeprefix("urn:oid:") for one in found}
        return found if {study_uid(one) for one in numbers} <= uids else None

    found = wait_for(all_there, "the studies, page by page")
    assert len({one.id for one in found}) == len(found) == theirs.count()
    of_first = studies.search(identifier=f"urn:dicom:uid|urn:oid:{study_uid(numbers[0])}")
    one = of_first.get()
    assert one["subject"]["reference"] == person.to_reference().reference
    assert one["subject"].to_resource()["identifier"][0]["value"] == PLAIN.patient_id
    bundle = of_first.include("ImagingStudy", "patient").include("ImagingStudy", "basedon").fetch_raw()
    included = sorted(
        each["resource"]["resourceType"] for each in bundle["entry"] if each["search"]["mode"] == "include"
    )
    assert included == ["Patient", "ServiceRequest"]
    assert dict(client.get("ImagingStudy", one.id)) == one.serialize()
    version = one["meta"]["versionId"]
    assert client.execute(f"ImagingStudy/{one.id}/_history/{version}", method="get")["status"] == "available"
    assert client.execute(f"ImagingStudy/{one.id}/_history", method="get")["type"] == "history"
    with pytest.raises(ResourceNotFound):
        client.get("ImagingStudy", "999999")
    with pytest.raises(FhirRefused):
        studies.search(started="yesterday").fetch()
