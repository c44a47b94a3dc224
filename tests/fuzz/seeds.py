"""Where the fuzzer begins: our own messages of every kind, broken in the usual ways, and the public corpus where it is there."""

from __future__ import annotations

from pathlib import Path

from bridge.codecs.hl7.framing import wrap
from bridge.codecs.x12.additional_information import CLAIM, PRIOR_AUTHORIZATION
from bridge.codecs.x12.additional_information import segments_of as documents_of
from bridge.codecs.x12.prior_authorization import segments_of
from bridge.codecs.x12.writer import Draft, write
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, adt, merge, order
from tests.conftest import CORPUS, ROOT
from tests.unit.codecs.x12.claims import ACKNOWLEDGED, ASKED, PAYMENT, file_of
from tests.unit.codecs.x12.payers import ANSWERED, REFUSED, REQUESTED, SENDING, SENT

_LONGEST = 8192
_WORDS = (
    *(
        "MSH|^~\\&|",
        "PID|1||",
        "PV1|1|",
        "ORC|NW|",
        "OBR|1|",
        "IPC|",
        "ZDS|",
        "MRG|",
        "TQ1|",
        "NTE|1||",
        "OBX|1|",
        "AL1|",
    ),
    *(
        "DG1|",
        "EVN|A08|",
        "SCH|",
        "AIS|",
        "RGS|",
        "IN1|",
        "AUT|",
        "MSA|AA|",
        "BHS|^~\\&|",
        "BTS|1",
        "FHS|^~\\&|",
        "FTS|1",
    ),
    *(
        "ADT^A08",
        "ADT^A40",
        "ADT^A01",
        "ORM^O01",
        "OMG^O19",
        "OMI^O23",
        "ORU^R01",
        "SIU^S12",
        "UNICODE UTF-8",
        "8859/1",
    ),
    *("ISO IR87", "GB 18030-2000", '""', "\\F\\", "\\X41\\", "\\.br\\", "20260301120000", "+0100", "|AL|NE|", "2.5.1"),
)


_X12_WORDS = (
    *(
        "ISA*00*",
        "GS*HI*",
        "ST*278*0001",
        "SE*2*0001~",
        "GE*1*1~",
        "IEA*1*000000041~",
        "TA1*",
        "BHT*0007*13*",
        "BGN*11*",
    ),
    *("HL*1**20*1~", "HL*2*1*21*1~", "HL*3*2*22*1~", "HL*4*3*EV*1~", "HL*5*4*SS*0~", "NM1*IL*1*", "TRN*1*", "UM*HS*I*"),
    *(
        "HCR*A1*",
        "AAA*N**",
        "DTP*472*RD8*",
        "HI*ABK:",
        "SV1*HC:",
        "PWK*RB*EL***AC*",
        "LX*1~",
        "CAT*AE*IA~",
        "BDS*B64*4*",
    ),
    *(
        "BIN*4*",
        "STC*A7:",
        "CLP*",
        "CAS*CO*",
        "SVC*HC:",
        "PLB*",
        "BPR*I*1*C~",
        "AK1*HI*1~",
        "AK9*A~",
        "IK3*",
        "-1.5",
        "D8",
    ),
)


def files() -> list[bytes]:
    """Return whole X12 files: our own of every kind that is read, and the public ones."""
    own = [write(SENDING, [Draft("278", "005010X217", segments_of(one))]) for one in (REQUESTED, ANSWERED, REFUSED)]
    own += [
        write(SENDING, [Draft("275", one.version, documents_of(SENT, one))]) for one in (CLAIM, PRIOR_AUTHORIZATION)
    ]
    own += [file_of("835", "005010X221A1", PAYMENT), file_of("277", "005010X214", ACKNOWLEDGED)]
    own += [
        file_of("277", "005010X213", ASKED),
        file_of("999", "005010X231A1", "AK1*HI*1\nIK3*PWK*9\nIK5*R\nAK9*R*1*1*0"),
    ]
    public = [file.read_bytes() for file in sorted((CORPUS / "x12").rglob("*")) if file.is_file()]
    return [one for one in [*own, *public] if len(one) <= _LONGEST]


def messages() -> list[bytes]:
    """Return whole messages, unframed."""
    own = [adt(PLAIN, trigger) for trigger in ("A01", "A04", "A08")]
    own += [merge(PLAIN, NEAR_TWIN), order(PLAIN, "A1"), order(MULTI_BYTE, "A2", "XO"), order(PLAIN, "A1", "CA")]
    cases = [_message_of(file) for file in sorted((ROOT / "mappings").rglob("*.case"))]
    public = [file.read_bytes() for file in sorted((CORPUS / "hl7").rglob("*")) if file.is_file()]
    batch = b"BHS|^~\\&|A\r" + b"".join(own[:3]) + b"BTS|3\r"
    found = [*own, *cases, batch, batch.decode().encode("utf-16"), b"FHS|^~\\&|A\r" + batch * 2 + b"FTS|2\r", *public]
    return [one for one in found if len(one) <= _LONGEST]


def write_seeds(folder: Path, target: str) -> None:
    """Write the seeds of *target* and the words of the language into *folder*."""
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(files() if target == "x12" else messages()):
        framed = b"\x40\x80\xc0\xff" + wrap(message) + wrap(message[:200])
        (seeds / f"{number:04d}").write_bytes(framed if target == "frames" else message)
    words = {"frames": (*_WORDS, "\x0b", "\x1c\r", "\x0bMSH"), "x12": _X12_WORDS}.get(target, _WORDS)
    escaped = ["".join(f"\\x{ord(c):02x}" for c in word) for word in words]
    (folder / "words.dict").write_text("".join(f'"{word}"\n' for word in escaped), "ascii")


def _message_of(case: Path) -> bytes:
    text = case.read_bytes().replace(b"\r\n", b"\n").split(b"\n----", 1)[0]
    return text.replace(b"\n", b"\r") + b"\r"
