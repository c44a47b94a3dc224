"""What a running product answered to each message of the public corpus, as the second half of the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.batch import is_batch
from bridge.codecs.hl7.envelope import Envelope, read_envelope
from bridge.mapping.load import load_mappings
from tests.conformance.code_tables import table
from tests.conformance.corpus_run import Outcome, Sent, digest

Row = tuple[Sent, Envelope, Outcome]

_LEAD = """Every message of a collection of public HL7 files (349 files, 392 messages, most of them other projects' test data),
sent over MLLP to a product with `senders = "any"` and the shipped rules, one after the other as they lie there. A batch is sent
as a batch; messages that merely stand behind each other are sent one by one. *Served* means that MSH-9 names a message of the
table above. On trial (`senders = "any"`) each is answered once, in original mode, whatever MSH-15 and MSH-16 ask for."""


def corpus_part(sent: Sequence[Sent], found: dict[str, Outcome], mappings: Path) -> str:
    """Return the section about the corpus."""
    accepts = load_mappings(mappings).base.accepts
    rows = read_rows(sent, found)
    served = [row for row in rows if is_served(row, accepts)]
    others = [row for row in rows if not is_served(row, accepts)]
    taken = sum(1 for row in served if row[2].code == "AA")
    reasons = Counter((row[2].code, row[2].error_code, row[2].where, row[2].detail) for row in served)
    kinds = Counter(_kind(row) for row in others)
    return "\n".join(
        (
            f"## The corpus\n\n{_LEAD}\n",
            f"{len(rows)} were sent: {len(served)} served, of which {taken} were applied; the other {len(served) - taken}:\n",
            table(
                ("outcome", "error", "where", "reason", "messages"),
                ((*reason, str(count)) for reason, count in sorted(reasons.items()) if reason[0] != "AA"),
            ),
            f"{len(others)} of kinds that are not served, or of no kind at all:\n",
            table(("message", "messages"), ((kind, str(count)) for kind, count in sorted(kinds.items()))),
            "### Every message\n",
            table(
                ("file", "no.", "message", "answer", "ERR-3", "where", "reason"),
                (_line(row) for row in rows),
            ),
        )
    )


def read_rows(sent: Sequence[Sent], found: dict[str, Outcome]) -> list[Row]:
    """Join what was sent to what the journal says of it. Raises: KeyError, for a message that it does not hold."""
    return [(one, read_envelope(one.raw), found[digest(one)]) for one in sent]


def is_served(row: Row, accepts: frozenset[str]) -> bool:
    """Say whether a message is one of a served kind, and was looked at."""
    return row[1].message_type in accepts and not row[0].batch_refused


def _kind(row: Row) -> str:
    if row[0].batch_refused:
        return "in a batch that is not whole"
    return row[1].message_type or "none"


def _line(row: Row) -> tuple[str, ...]:
    sent, envelope, outcome = row
    kind = "batch" if sent.batch_refused else envelope.message_type
    return (
        sent.file,
        str(sent.number),
        kind,
        " ".join(_codes(sent)),
        _error_code(sent.answers),
        outcome.where,
        outcome.detail,
    )


def _codes(sent: Sent) -> list[str]:
    return [answer.split(b"\r")[1].split(answer[3:4])[1].decode() for answer in sent.answers]


def _error_code(answers: Sequence[bytes]) -> str:
    """Return ERR-3 of the last answer (before 2.5: the code in ERR-1), "" where nothing was wrong."""
    err = er7.parse(answers[-1]).first("ERR") if answers and not is_batch(answers[-1]) else None
    if err is None:
        return ""
    code = err.value(3) or err.value(1, 4, 1)
    return "" if code == "0" else code
