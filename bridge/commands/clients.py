"""send, find: test clients that speak as another system would. They need no settings and no database."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.batch import is_batch, messages_in, split_messages
from bridge.commands.setting_up import json_option, print_json, print_table, reports_errors
from bridge.domain.study import OutgoingObject
from bridge.errors import Incomplete, Malformed
from bridge.publishers.dicom_client import Target, find_worklist, store_files
from bridge.publishers.mllp_client import send_frames

_WORKLIST_COLUMNS = ("start", "station", "modality", "patient_name", "patient_id", "accession_number", "description")


@click.group()
def send() -> None:
    """Send HL7 messages or DICOM objects, as another system would."""


@send.command("hl7")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "address", required=True, help="HOST:PORT of the MLLP listener.")
@click.option("--tls", is_flag=True, help="Speak TLS.")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="CA that signed the listener's certificate.")
@click.option("--certificate", type=click.Path(exists=True, path_type=Path), help="Our certificate and key (PEM).")
@json_option
@reports_errors
def send_hl7(
    files: tuple[Path, ...], address: str, tls: bool, ca: Path | None, certificate: Path | None, as_json: bool
) -> None:
    """Send messages over one connection and print each answer.

    A batch (FHS, BHS) is sent as one and its answers are printed one by one; messages that merely stand behind each
    other in a file are sent one by one. Line ends in a file may be CR, LF or both; they are sent as CR.

    Example: imaging-bridge send hl7 samples/orders/*.hl7 --to 127.0.0.1:2575
    """
    host, port = _host_and_port(address)
    context = _tls_context(ca, certificate) if tls else None
    payloads = [(file, payload) for file in files for payload in _payloads(file.read_bytes())]
    answers = send_frames(host, port, [payload for _, payload in payloads], context)
    rows = [_answer(file, one) for (file, _), answer in zip(payloads, answers, strict=True) for one in _last(answer)]
    if as_json:
        print_json({"answers": rows})
    else:
        print_table(rows, ("file", "code", "control_id", "error", "text"), "nothing was answered")
    if any(row["code"] not in ("AA", "CA") for row in rows):
        sys.exit(1)


@send.command("dicom")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "address", required=True, help="AET@HOST:PORT.")
@click.option("--as", "calling", default="BRIDGE", help="Calling AE title.")
@json_option
@reports_errors
def send_dicom(paths: tuple[Path, ...], address: str, calling: str, as_json: bool) -> None:
    """Store DICOM files, and those in folders, over one association; print each status.

    Example: imaging-bridge send dicom images/ --to BRIDGE@127.0.0.1:11112 --as CT1
    """
    objects, unreadable = _objects(paths)
    results = store_files(_target(address), calling, objects) if objects else []
    rows = [
        {
            "sop_instance_uid": one.sop_instance_uid,
            "status": "no answer" if one.status is None else f"{one.status:04X}",
            "comment": one.comment,
        }
        for one in results
    ]
    if as_json:
        print_json({"results": rows, "not_dicom": unreadable})
    else:
        print_table(rows, ("sop_instance_uid", "status", "comment"), "no DICOM files there")
        for path in unreadable:
            click.echo(f"not DICOM: {path}", err=True)
    if not rows or any(row["status"] != "0000" for row in rows):
        sys.exit(1)


@click.group()
def find() -> None:
    """Ask another system, as a device would."""


@find.command("worklist")
@click.option("--from", "address", required=True, help="AET@HOST:PORT of the worklist.")
@click.option("--as", "calling", required=True, help="Calling AE title.")
@click.option("-k", "keys", multiple=True, help="Keyword=value, such as Modality=CT; may be repeated.")
@json_option
@reports_errors
def find_worklist_command(address: str, calling: str, keys: tuple[str, ...], as_json: bool) -> None:
    """Query a modality worklist (C-FIND) and print its items.

    Example: imaging-bridge find worklist --from BRIDGE@127.0.0.1:11112 --as CT1 -k ScheduledStationAETitle=CT1
    """
    found = find_worklist(_target(address), calling, dict(_key(text) for text in keys))
    if as_json:
        print_json({"items": [item.to_json_dict() for item in found]})
    else:
        print_table([_row(item) for item in found], _WORKLIST_COLUMNS, "the worklist answers with no items")


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise Malformed("write HOST:PORT", where="--to")
    return host.strip("[]"), int(port)


def _target(text: str) -> Target:
    title, at, place = text.partition("@")
    if not at or not title:
        raise Malformed("write AET@HOST:PORT", where="--to")
    return Target(title, *_host_and_port(place))


def _tls_context(ca: Path | None, certificate: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


def _payloads(data: bytes) -> list[bytes]:
    """Return what a file holds as a wire carries it: no byte order mark, CR at the end of each segment."""
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r") + b"\r"
    return [text] if is_batch(text) else split_messages(text)


def _last(answer: bytes) -> list[bytes]:
    """Return what is printed of one answer: of two the last, which says what became of the message; of a batch all."""
    found = messages_in(answer)
    return found if is_batch(answer) else found[-1:]


def _answer(file: Path, raw: bytes) -> dict[str, str]:
    message = er7.parse(raw)
    segments = {segment.name: segment.text for segment in message.segments}
    msa = segments.get("MSA", "").split(message.delimiters.field) + [""] * 4
    err = segments.get("ERR", "").split(message.delimiters.field) + [""] * 4
    return {"file": file.name, "code": msa[1], "control_id": msa[2], "error": err[3] or err[1], "text": msa[3]}


def _objects(paths: tuple[Path, ...]) -> tuple[list[OutgoingObject], list[str]]:
    found, unreadable = [], []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            try:
                found.append(_object(file))
            except (InvalidDicomError, AttributeError, OSError, ValueError):
                unreadable.append(str(file))
    return found, unreadable


def _object(path: Path) -> OutgoingObject:
    meta = read_file_meta_info(path)
    return OutgoingObject(path, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID)


def _key(text: str) -> tuple[str, str]:
    keyword, equals, value = text.partition("=")
    if not equals:
        raise Incomplete("write Keyword=value", where="-k")
    return keyword, value


def _row(item: Dataset) -> dict[str, str]:
    step = next(iter(item.get("ScheduledProcedureStepSequence", [])), Dataset())
    return {
        "start": f"{step.get('ScheduledProcedureStepStartDate', '')} {step.get('ScheduledProcedureStepStartTime', '')}",
        "station": _joined(step.get("ScheduledStationAETitle", "")),
        "modality": str(step.get("Modality", "")),
        "patient_name": str(item.get("PatientName", "")),
        "patient_id": str(item.get("PatientID", "")),
        "accession_number": str(item.get("AccessionNumber", "")),
        "description": str(step.get("ScheduledProcedureStepDescription", "")),
    }


def _joined(value: object) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(str(one) for one in value) if isinstance(value, Iterator | list | tuple) else str(value)
