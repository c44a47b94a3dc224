"""A house with its DICOM door open in this process, dcmtk's tools around it, and what storescu sent by the word of storescp."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError

from bridge.clock import FixedClock
from bridge.codecs.dicom.content import same_content
from bridge.codecs.dicom.part10 import FileMeta, open_buffer, read_file_meta
from bridge.domain.study import OutgoingObject
from bridge.errors import Malformed
from bridge.publishers.dicom_client import Target, store_files
from bridge.settings import Settings
from bridge.store import schema
from bridge.store.tables import conflicting_instances, instances
from bridge.wiring import House, make_role
from tests.conftest import ROOT, dcmtk_tool, run_tool

SENDER, RECEIVER = "SENDER", "RECEIVER"
_AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
# How storescu is told to propose the syntax that a file has; without one it proposes what every file can be sent in.
PROPOSING = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.57": "-xs",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
_STATUSES = {
    "Success": "0000",
    "Error: DataSetDoesNotMatchSOPClass": "A900",
    "Error: CannotUnderstand": "C000",
    "Refused: OutOfResources": "A700",
    "Failed: SOPClassNotSupported": "0122",
}
NO_SOP_CLASS = "not sent"
_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@dataclass
class Sent:
    """
    What one storescu said. statuses: by file, "0000" for success. unread: what it leaves out, with its own words.
    """

    statuses: dict[Path, str] = field(default_factory=dict)
    unread: dict[Path, str] = field(default_factory=dict)


@contextmanager
def quick_folder(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder in memory where there is one: what is kept is compared here, not whether it survives."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield factory.mktemp("images")
        return
    with TemporaryDirectory(prefix="images-", dir=memory) as name:
        yield Path(name)


@contextmanager
def open_house(folder: Path, receiver_port: int, charset: str = "", **dicom: object) -> Iterator[tuple[House, int]]:
    """
    Yield a house over *folder*, and the port where it answers; RECEIVER may be sent what nobody has bound.

    charset: what SENDER's text is in where it does not say. dicom: further settings of the door.
    """
    peers = [
        {"ae_title": title, "host": "127.0.0.1", "port": port, "roles": [role], "unbound": True, "charset": charset}
        for title, port, role in ((SENDER, 1, "modality"), (RECEIVER, receiver_port, "viewer"))
    ]
    sections = {
        "bridge": {"data": folder, "mappings": ROOT / "samples" / "mappings"},
        "store": {"database": f"sqlite:///{folder / 'bridge.db'}"},
        "dicom": {"port": 0, "peers": peers, **dicom},
        "identity": {"authority": "RIVERSIDE"},
    }
    house = House(Settings.model_validate(sections), FixedClock(_AT))
    schema.migrate(house.store)
    role = make_role("dicom", house)
    role.start()
    try:
        yield house, int(role.addresses["dicom"].rpartition(":")[2])
    finally:
        role.stop()
        house.store.dispose()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def storescp(folder: Path, port: int, syntaxes: str = "+xa") -> Iterator[Path]:
    """Run dcmtk's receiver, which keeps every object bit by bit in *folder* under a name of its own."""
    folder.mkdir()
    arguments = ["+B", "+uf", "-pm", syntaxes, "-aet", RECEIVER, "-od", str(folder), str(port)]
    with subprocess.Popen([str(dcmtk_tool("storescp")), *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            _await_listener(port)
            yield folder
        finally:
            process.terminate()
            process.wait(20)


def _await_listener(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("storescp does not listen")


def by_proposal(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return *files* by the option with which storescu proposes the syntax of each."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        try:
            with pydicom.dcmread(file, specific_tags=[]) as read:
                syntax = str(getattr(read.file_meta, "TransferSyntaxUID", ""))
        except InvalidDicomError:
            syntax = ""
        groups.setdefault(PROPOSING.get(syntax, "-xe"), []).append(file)
    return groups


def storescu(option: str, files: Sequence[Path], port: int, called: str) -> Sent:
    """Send *files* as they are over one association."""
    arguments = ["-v", "-nh", "-R", option, "-aet", SENDER, "-aec", called, "127.0.0.1", str(port), *map(str, files)]
    ended = run_tool(dcmtk_tool("storescu"), *arguments)
    sent, named = Sent(), {str(file): file for file in files}
    current: Path | None = None
    for line in (ended.stdout + ended.stderr).splitlines():
        if found := re.search(r"Sending file: (.+)$", line):
            current = named[found[1]]
        elif found := re.search(r"Received Store Response \((.+)\)$", line):
            assert current is not None
            sent.statuses[current] = _status(found[1])
        elif found := re.search(r"W: (.+) in file: (.+), ignoring file$", line):
            sent.unread[named[found[2]]] = found[1]
    assert len(sent.statuses) + len(sent.unread) == len(files), ended.stderr[-1000:]
    return sent


def send_as_they_are(files: Sequence[Path], port: int) -> dict[Path, str]:
    """Send what storescu does not read by our own client, which does not look into data sets; return the statuses."""
    statuses, readable = dict.fromkeys(files, NO_SOP_CLASS), []
    for file in files:
        try:
            meta = read_file_meta(file.read_bytes())
        except Malformed:
            continue
        uid, sop_class = meta.media_storage_sop_instance_uid, meta.media_storage_sop_class_uid
        if uid and sop_class:
            readable.append((file, OutgoingObject(file, sop_class, uid, meta.transfer_syntax_uid)))
    results = store_files(Target("BRIDGE", "127.0.0.1", port), SENDER, [one for _, one in readable])
    for (file, _), result in zip(readable, results, strict=True):
        statuses[file] = f"{result.status:04X}" if result.status is not None else result.comment
    return statuses


def _status(said: str) -> str:
    unknown = re.search(r"0x([0-9a-fA-F]+)", said)
    return f"{int(unknown[1], 16):04X}" if unknown else _STATUSES.get(said, said)


def data_set_digest(path: Path) -> str:
    """Return the SHA-256 of the data set of a Part 10 file."""
    return digest_of_data_set(path.read_bytes())


def digests_in(folder: Path) -> list[str]:
    """Return the digest of each data set in *folder*."""
    return [data_set_digest(path) for path in folder.iterdir()]


def kept_files(house: House) -> dict[str, bytes]:
    """Return each kept file by SOP Instance UID."""
    with house.store.read() as tx:
        rows = tx.execute(instances.select()).all()
    found = {}
    for row in rows:
        with house.blobs.at_hand(row.blob) as path:
            found[row.sop_instance_uid] = path.read_bytes()
    return found


def kept_digests(house: House) -> dict[str, str]:
    """Return the digest of each kept data set by SOP Instance UID."""
    return {uid: digest_of_data_set(data) for uid, data in kept_files(house).items()}


def digest_of_data_set(data: bytes) -> str:
    """Return the SHA-256 of the data set of a Part 10 file in memory."""
    return hashlib.sha256(data[read_file_meta(data).dataset_at :]).hexdigest()


def changed_on_the_way(house: House, got: Path, uids: Iterable[str]) -> list[str]:
    """
    Return those of *uids* that do not lie in *got* as they are kept: bit by bit in the syntax that they are kept in.

    In another uncompressed one, which the receiver chose, they say the same.
    """
    found = {meta_of(path).media_storage_sop_instance_uid: path for path in got.iterdir()}
    with house.store.read() as tx:
        rows = {row.sop_instance_uid: row for row in tx.execute(instances.select())}
    changed = []
    for uid in uids:
        with house.blobs.at_hand(rows[uid].blob) as kept:
            back = found.get(uid)
            as_kept = back is not None and meta_of(back).transfer_syntax_uid == rows[uid].transfer_syntax_uid
            if back is None or not (_same_bytes if as_kept else same_content)(back, kept):
                changed.append(uid)
    return changed


def _same_bytes(one: Path, other: Path) -> bool:
    return data_set_digest(one) == data_set_digest(other)


def meta_of(path: Path) -> FileMeta:
    with open_buffer(path) as data:
        return read_file_meta(data)


def set_aside_digests(house: House) -> list[str]:
    """Return the digest of each data set that is kept for a person."""
    with house.store.read() as tx:
        rows = tx.execute(conflicting_instances.select()).all()
    found = []
    for row in rows:
        with house.blobs.at_hand(row.blob) as path:
            found.append(data_set_digest(path))
    return found


def write_query(path: Path, keys: Mapping[str, str]) -> Path:
    """Write *keys* as a file that dcmtk's tools take for a query."""
    query = Dataset()
    query.file_meta = FileMetaDataset()
    query.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    query.file_meta.MediaStorageSOPClassUID = _STUDY_ROOT_FIND
    query.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    query.save_as(path, enforce_file_format=True)
    return path
