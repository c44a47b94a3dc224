"""Where the fuzzer begins: our own messages of every kind, broken in the usual ways, and the public corpus where it is there."""

from __future__ import annotations

from pathlib import Path

from bridge.codecs.hl7.framing import wrap
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, adt, merge, order
from tests.conftest import CORPUS, ROOT

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


def messages() -> list[bytes]:
    """Return whole messages, unframed."""
    own = [adt(PLAIN, trigger) for trigger in ("A01", "A04", "A08")]
    own += [merge(PLAIN, NEAR_TWIN), order(PLAIN, "A1"), order(MULTI_BYTE, "A2", "XO"), order(PLAIN, "A1", "CA")]
    cases = [_message_of(file) for file in sorted((ROOT / "mappings").rglob("*.case"))]
    public = [file.read_bytes() for file in sorted((CORPUS / "hl7").rglob("*")) if file.is_file()]
    batch = b"BHS|^~\\&|A\r" + b"".join(own[:3]) + b"BTS|3\r"
    found = [*own, *cases, batch, batch.decode().encode("utf-16"), b"FHS|^~\\&|A\r" + batch * 2 + b"FTS|2\r", *public]
    return [one for one in found if len(one) <= _LONGEST]


def write(folder: Path, target: str) -> None:
    """Write the seeds of *target* and the words of the language into *folder*."""
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages()):
        framed = b"\x40\x80\xc0\xff" + wrap(message) + wrap(message[:200])
        (seeds / f"{number:04d}").write_bytes(framed if target == "frames" else message)
    words = [*_WORDS, "\x0b", "\x1c\r", "\x0bMSH"] if target == "frames" else _WORDS
    escaped = ["".join(f"\\x{ord(c):02x}" for c in word) for word in words]
    (folder / "words.dict").write_text("".join(f'"{word}"\n' for word in escaped), "ascii")


def _message_of(case: Path) -> bytes:
    text = case.read_bytes().replace(b"\r\n", b"\n").split(b"\n----", 1)[0]
    return text.replace(b"\n", b"\r") + b"\r"
