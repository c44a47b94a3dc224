"""What the synthetic hospital's systems say over HL7: registrations, changes, merges and orders, as their lines have it."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]

SENDER, FACILITY = "HOSPEHR", "HOSPITAL"
_BEFORE_ALL = "2026-01-04T00:00:00"


def registration(patient: Line, number: int) -> bytes:
    """Return the A04 of somebody who is known before the story begins."""
    return _message("ADT^A04", f"R{number}", _BEFORE_ALL, f"{_pid(patient)}\rPV1|1|O\r")


def adt(line: Line) -> bytes:
    """Return an A04, A08, A31, A40 or A47."""
    body = f"{_pid(line['patient'])}\r"
    if "prior_mrn" in line:
        body += f"MRG|{_number(line['prior_mrn'], line['patient']['issuer'])}\r"
    else:
        body += "PV1|1|O\r"
    return _message(f"ADT^{line['type']}", f"E{line['seq']}", line["t"], body)


def order(line: Line) -> bytes:
    """Return an ORM^O01: a new, changed or cancelled order."""
    start, at = _time(line["scheduled"]), _time(line["t"])
    accession = f"{line['accession']}^{line['accession_issuer']}"
    fields = [""] * 45
    fields[0], fields[1], fields[2] = "OBR", "1", f"{line['order']}^{SENDER}"
    fields[4] = f"{line['modality']}{line['body_part']}^{line['procedure']}^L"
    fields[18], fields[19], fields[20] = accession, line["requested_procedure_id"], line["step_id"]
    fields[24] = line["modality"]
    body = (
        f"{_pid(line['patient'])}\rPV1|1|O\r"
        f"ORC|{line['control']}|{line['order']}^{SENDER}|||||^^^{start}^^R||{at}|||||||||{line['station_ae']}\r"
        f"{'|'.join(fields).rstrip('|')}\r"
    )
    if line["study_uid"]:
        body += f"ZDS|{line['study_uid']}^{SENDER}^Application^DICOM\r"
    return _message("ORM^O01", f"E{line['seq']}", line["t"], body)


def _message(kind: str, control_id: str, at: str, body: str) -> bytes:
    time = _time(at)
    head = f"MSH|^~\\&|{SENDER}|{FACILITY}|BRIDGE|{FACILITY}|{time}||{kind}|{control_id}|P|2.5.1||||||UNICODE UTF-8\r"
    event = f"EVN|{kind.partition('^')[2]}|{time}\r" if kind.startswith("ADT") else ""
    return (head + event + body).encode()


def _pid(patient: Line) -> str:
    """Return a PID segment. Source: HL7 2.5.1 3.4.2."""
    fields = [""] * 31
    others = [_number(one["id"], one["issuer"], "MR") for one in patient["other_ids"]]
    fields[0], fields[1] = "PID", "1"
    fields[3] = "~".join([_number(patient["mrn"], patient["issuer"]), *others])
    fields[5] = "~".join(_names(patient))
    fields[7], fields[8] = patient["dob"] or '""', patient["sex"] or "U"
    fields[21] = _number(patient["mother_mrn"], patient["issuer"]) if patient["mother_mrn"] else ""
    fields[24] = "Y" if patient["multiple_birth"] else "N"
    return "|".join(fields).rstrip("|")


def _names(patient: Line) -> list[str]:
    """Return the repetitions of PID-5: the legal name in each script, then former ones. Source: HL7 2.5.1 2.A.88."""
    written = [patient["family"], patient["given"], patient["middle"], patient["suffix"]]
    found = ["^".join(_plain(part) for part in written) + "^^^L^A"]
    for script, representation in (("ideographic", "I"), ("phonetic", "P")):
        if patient[script]:
            family, _, given = patient[script].partition("^")
            found.append(f"{family}^{given}^^^^^L^{representation}")
    former = (one for one in patient["aliases"])
    return found + [f"{_plain(one['family'])}^{_plain(one['given'])}^^^^^M^A" for one in former]


def _number(value: str, issuer: str, kind: str = "MR") -> str:
    return f"{value}^^^{issuer}^{kind}"


def _plain(text: str) -> str:
    r"""Return *text* with HL7's own characters escaped. Source: HL7 2.5.1 2.7."""
    for character, code in (("\\", "E"), ("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        text = text.replace(character, f"\\{code}\\")
    return text


def _time(iso: str) -> str:
    return "".join(character for character in iso if character.isdecimal())
