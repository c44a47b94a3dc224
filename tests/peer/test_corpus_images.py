"""Every real file at hand, sent by dcmtk's storescu: kept bit by bit or refused as the standard says, then given back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from flask.testing import FlaskClient
from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom.part10 import read_file_meta
from bridge.domain.accounts import Role
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store.tables import instances, series, studies
from bridge.wiring import House
from tests.cast import PLAIN, adt
from tests.conftest import ROOT, dcmtk_tool, run_tool
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.peer.images_room import (
    RECEIVER,
    SENDER,
    by_proposal,
    changed_on_the_way,
    digest_of_data_set,
    digests_in,
    free_port,
    kept_digests,
    kept_files,
    open_house,
    quick_folder,
    send_as_they_are,
    set_aside_digests,
    storescp,
    storescu,
    write_query,
)

pytestmark = pytest.mark.peer

# Microscopy bulk simple annotations: younger than it.
_UNKNOWN_TO_GETSCU = ("1.2.840.10008.5.1.4.1.1.91.1",)
_MAY_CHANGE = {
    *("PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientName", "PatientBirthDate"),
    *("PatientSex", "SpecificCharacterSet", "OriginalAttributesSequence", "InstanceCoercionDateTime"),
}
_TAKEN, _TWICE = "0000", "0110"


@dataclass
class Run:
    """
    The corpus after it was sent. statuses: by the file's name below the corpus. unread: what storescu leaves out.

    witnessed: what storescu sent, by the word of dcmtk's own receiver.
    """

    house: House
    port: int
    folder: Path
    moved: Path
    statuses: dict[str, str]
    unread: dict[str, str]
    witnessed: Counter[str]


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    root = corpus / "dicom"
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    with ExitStack() as stack:
        folder = stack.enter_context(quick_folder(tmp_path_factory))
        witness, receiver = free_port(), free_port()
        seen = stack.enter_context(storescp(folder / "witness", witness))
        moved = stack.enter_context(storescp(folder / "moved", receiver))
        house, port = stack.enter_context(open_house(folder, receiver))
        statuses: dict[Path, str] = {}
        unread: dict[Path, str] = {}
        for option, group in by_proposal(files).items():
            sent = storescu(option, group, port, "BRIDGE")
            storescu(option, group, witness, RECEIVER)
            statuses |= sent.statuses
            unread |= sent.unread
        statuses |= send_as_they_are(list(unread), port)
        yield Run(
            house,
            port,
            folder,
            moved,
            {str(path.relative_to(root)): status for path, status in statuses.items()},
            {str(path.relative_to(root)): said for path, said in unread.items()},
            Counter(digests_in(seen)),
        )


def test_what_is_kept_is_what_dcmtk_sent_bit_by_bit(run: Run) -> None:
    ours = Counter([*kept_digests(run.house).values(), *set_aside_digests(run.house)])
    of_our_client = Counter(run.statuses[name] in (_TAKEN, _TWICE) for name in run.unread)
    assert len(ours - run.witnessed) <= of_our_client[True]
    sent = [status for name, status in run.statuses.items() if name not in run.unread]
    assert sent.count(_TAKEN) > 150
    assert set(sent) <= {_TAKEN, _TWICE, "A900"}


def test_what_is_refused_and_why_is_what_the_documentation_says(run: Run) -> None:
    text = (ROOT / "docs" / "conformance.md").read_text("utf-8").partition("#### Real files")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+|not sent) \| (`.+`) \|", text, re.MULTILINE)
    documented = {name: status for status, names in rows for name in re.findall(r"`(.+?)`", names)}
    found = {name: status for name, status in run.statuses.items() if status not in (_TAKEN, _TWICE)}
    assert found == documented


def test_a_second_object_under_one_uid_is_set_aside_whatever_its_syntax(run: Run) -> None:
    aside = set_aside_digests(run.house)
    assert len(aside) == sum(status == _TWICE for status in run.statuses.values())
    assert not set(aside) & set(kept_digests(run.house).values())


def test_everything_kept_is_found_by_findscu(run: Run) -> None:
    queries = [
        write_query(
            run.folder / f"find-{place}.dcm",
            {
                "QueryRetrieveLevel": "IMAGE",
                "StudyInstanceUID": study,
                "SeriesInstanceUID": one_series,
                "SOPInstanceUID": "",
            },
        )
        for place, (study, one_series) in enumerate(sorted(set(_places(run.house).values())))
    ]
    arguments = ["-v", "-S", "-aet", SENDER, "-aec", "BRIDGE", "127.0.0.1", str(run.port), *map(str, queries)]
    ended = run_tool(dcmtk_tool("findscu"), *arguments)
    assert set(re.findall(r"\(0008,0018\) UI \[([0-9.]+)", ended.stdout + ended.stderr)) == set(_places(run.house))


@pytest.mark.parametrize(("option", "syntax"), [("-xi", "1.2.840.10008.1.2"), ("-xe", "1.2.840.10008.1.2.1")])
def test_what_is_uncompressed_comes_back_to_getscu_bit_by_bit(run: Run, option: str, syntax: str) -> None:
    with run.house.store.read() as tx:
        rows = tx.execute(instances.select().where(instances.c.transfer_syntax_uid == syntax)).all()
    uids = [row.sop_instance_uid for row in rows if row.sop_class_uid not in _UNKNOWN_TO_GETSCU]
    got = run.folder / f"got{option}"
    got.mkdir()
    arguments = ["-S", "+B", option, "-aet", SENDER, "-aec", "BRIDGE", "-od", str(got), "127.0.0.1", str(run.port)]
    run_tool(dcmtk_tool("getscu"), *arguments, *map(str, _retrievals(run, uids, option)))
    assert changed_on_the_way(run.house, got, uids) == []


def test_everything_kept_comes_back_by_movescu_in_its_own_syntax_bit_by_bit(run: Run) -> None:
    kept = _places(run.house)
    studies_kept = "\\".join(sorted({study for study, _ in kept.values()}))
    query = write_query(run.folder / "move.dcm", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": studies_kept})
    arguments = ["-S", "-aet", SENDER, "-aec", "BRIDGE", "-aem", RECEIVER, "127.0.0.1", str(run.port), str(query)]
    ended = run_tool(dcmtk_tool("movescu"), *arguments)
    assert ended.returncode == 0, ended.stderr[-500:]
    assert changed_on_the_way(run.house, run.moved, kept) == []


def test_everything_kept_is_found_by_qido_and_comes_back_by_wado_bit_by_bit(run: Run) -> None:
    client = Console(run.house).machine(Role.ADMIN)
    found, changed, kept = set(), [], kept_digests(run.house)
    for study in sorted({study for study, _ in _places(run.house).values()}):
        rows = client.get(f"/dicom-web/studies/{study}/instances?limit=1000").json
        found |= {row["00080018"]["Value"][0] for row in rows}
        for uid, data in _by_wado(client, study).items():
            if digest_of_data_set(data) != kept.pop(uid):
                changed.append(uid)
    assert found == set(_places(run.house))
    assert (changed, kept) == ([], {})


def test_what_is_bound_by_a_person_leaves_with_the_records_identity_and_else_unchanged(run: Run) -> None:
    house = run.house
    say(house, adt(PLAIN))
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    client, kept = Console(house).machine(Role.VIEWER), kept_files(house)
    whose = PatientIdentifier(PLAIN.patient_id, "RIVERSIDE")
    checked = 0
    for study in sorted({study for study, _ in _places(house).values()}):
        resolver.resolve(study, Ruling("bind", "seen together", "user:maria", patient=whose))
        for uid, data in _by_wado(client, study).items():
            assert _changes(kept[uid], data) <= _MAY_CHANGE, uid
            assert pydicom.dcmread(BytesIO(data), specific_tags=["PatientID"]).PatientID == PLAIN.patient_id
            checked += 1
    assert checked == len(_places(house))


def _by_wado(client: FlaskClient, study: str) -> dict[str, bytes]:
    """Return the Part 10 files of a study by SOP Instance UID, in the syntaxes in which they are kept."""
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    answer = client.get(f"/dicom-web/studies/{study}", headers={"Accept": accept})
    assert answer.status_code == 200, (study, answer.data[:200])
    boundary = b"--" + answer.content_type.rpartition("boundary=")[2].encode()
    parts = answer.data.split(boundary)[1:-1]
    files = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
    return {read_file_meta(data).media_storage_sop_instance_uid: data for data in files}


def _changes(before: bytes, after: bytes) -> set[str]:
    """Return the keywords of what differs at the root."""
    one, other = (pydicom.dcmread(BytesIO(data)) for data in (before, after))
    tags = {element.tag for dataset in (one, other) for element in dataset if element.tag.element}
    return {
        keyword_for_tag(tag) or str(tag)
        for tag in tags
        if (tag in one) != (tag in other) or one[tag].value != other[tag].value
    }


def _places(house: House) -> dict[str, tuple[str, str]]:
    """Return the study and series of each kept instance."""
    joined = instances.join(series, instances.c.series_key == series.c.key).join(
        studies, instances.c.study_key == studies.c.key
    )
    with house.store.read() as tx:
        rows = tx.execute(joined.select()).all()
    return {row.sop_instance_uid: (row.study_instance_uid, row.series_instance_uid) for row in rows}


def _retrievals(run: Run, uids: list[str], name: str) -> list[Path]:
    """Write a query at image level for each series that *uids* lie in."""
    groups: dict[tuple[str, str], list[str]] = {}
    places = _places(run.house)
    for uid in uids:
        groups.setdefault(places[uid], []).append(uid)
    return [
        write_query(
            run.folder / f"{name}-{place}.dcm",
            {
                "QueryRetrieveLevel": "IMAGE",
                "StudyInstanceUID": study,
                "SeriesInstanceUID": one_series,
                "SOPInstanceUID": "\\".join(group),
            },
        )
        for place, ((study, one_series), group) in enumerate(sorted(groups.items()))
    ]
