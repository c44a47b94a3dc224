"""The results as text: for the terminal while it runs, and as docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.measure import Table, ratio

_INTRO = """\
# Benchmarks

Written by `make bench`. Every server of a table ran in the same minutes on the same machine, taking turns in each round;
a cell is the median of the rounds, with the least and the greatest in brackets. **Read the ratios, not the rates**: the
machine decides those. Every peer has `TCP_NODELAY=1`, without which dcmtk and Orthanc as Debian builds them wait
some 40 ms a message and any comparison with them is worthless.

What is compared is not the same work. `storescp` writes a file and never syncs it; Orthanc syncs the file and keeps an
index in SQLite; the bridge takes a digest, reads the header, syncs the file and its row, decides whose image it is and
queues what follows before it answers. The sender of images is dcmtk's `storescu`, whose own limit is part of every number.
`storescp +B -pdu 131072` is the same program at its best. In memory means a tmpfs, where a sync costs nothing: there the
path through the program is compared, on disk the promise that what was answered is kept.

Worklists are asked over one open association by a client of a few lines, so that the server is what is timed; a rate is one
over the median wait. `wlmscpfs` and Orthanc read their lists from files; the bridge from its database, where the list was
entered as HL7 orders (beyond 2,000 of them rows are copied), and it notes each query for whoever asks why a patient is
not on the list. A device asks for the same thing every few seconds, and so does the client: what was read and cut
once is remembered. The devices that stream images share the two processors with everything else.

For orders, `append + fdatasync` is what the disk does with nothing else to do; the reference server writes one row a
message and commits each alone; python-hl7's server parses and answers, and stores nothing. The bridge reads and maps the
message, finds its patient and order, writes the journal with its trace, search terms, worklist item, timeline and audit
chain, asks whether a study waits for it, and answers AA when all of it is on disk; what waits together shares a commit.

For charts, `fhir.resources` makes its models of the plain resource and writes them; the bridge builds the resource from
what its rows hold and writes it. What `fhir.resources` validates on the way, the bridge has validated in its tests.
"""


DECISIONS = "## Decisions: whose images are these, against a million patients"


def document(title: str, tables: dict[str, tuple[Table, str]], notes: list[str]) -> str:
    """Return the page. tables: heading to the table and the name that ratios are against."""
    parts = [_INTRO, f"Run of {title}.", "\n".join(f"- {note}" for note in notes)]
    for heading, (table, against) in tables.items():
        parts.append(f"## {heading}\n\n" + "\n".join(_rows(table, against)))
    return "\n\n".join(parts) + "\n"


def with_decisions_of(page: str, text: str) -> str:
    """Return *text* with what *page* ends with: how long decisions take is measured by another bench."""
    _, heading, decisions = page.partition(DECISIONS)
    return f"{text.rstrip()}\n\n{heading}{decisions}" if heading else text


def _rows(table: Table, against: str) -> Iterator[str]:
    unit = next(iter(table.values())).unit if table else ""
    slowest = any(rates.slowest_ms for rates in table.values())
    yield f"| server | {unit} | x {against} | processor ms each |" + (" 99 % answered within, ms |" if slowest else "")
    yield "|---|---|---|---|" + ("---|" if slowest else "")
    for name, rates in table.items():
        found = ratio(table, name, against)
        times = f"{found[0]:.2f} ({found[1]:.2f}-{found[2]:.2f})" if found else "–"
        used = f"{statistics.median(rates.processor_ms):.2f}" if rates.processor_ms else "–"
        row = f"| {name} | {spread(rates.per_sec)} | {times} | {used} |"
        if slowest:
            row += f" {statistics.median(rates.slowest_ms):.1f} |" if rates.slowest_ms else " – |"
        yield row


def spread(values: list[float]) -> str:
    """Return the median with the least and the greatest."""
    digits = 1 if statistics.median(values) < 100 else 0
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
