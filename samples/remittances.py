"""Payers' files of the invented clinic's last year, as a clearinghouse would hand them over: 835s, one for each payer.

What is in them follows from the day alone: since the middle of the year fewer claims are denied for want of documents. All
payers, people and numbers are invented.

    python -m samples.remittances FOLDER
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

PAYERS = (("60054", "ACME HEALTH PLAN"), ("EAST01", "EASTPLAN HEALTH"), ("HARB2", "HARBOR MUTUAL"))
DAYS = 360
_EACH_MONTH = 12
_PERIOD = 30
_SERVICES = (("71260", 640), ("72148", 910), ("73721", 880), ("76700", 310), ("70450", 420))
# Of a hundred claims, denied for want of documents before and since, and for something else throughout.
_DOCUMENTS_BEFORE, _DOCUMENTS_SINCE, _OTHER = 15, 4, 8
_OTHER_REASONS = ("197", "50", "4", "27")


@dataclass(frozen=True)
class Claim:
    """One claim and its answer. reason: CARC of a denial, "" for one that was paid."""

    number: str
    code: str
    charged: int
    service_on: date
    reason: str

    @property
    def paid(self) -> int:
        """What came, after the contract's discount."""
        return 0 if self.reason else self.charged * 3 // 4


def turn_of(today: date) -> date:
    """Return the day since which less is denied: when the bridge came, as the sample tells it."""
    return today - timedelta(days=DAYS // 2)


def claims_of(payer: int, today: date) -> Iterator[tuple[date, list[Claim]]]:
    """Yield the days on which a payer paid, each with its claims, oldest first."""
    chance = random.Random(f"remittances {payer}")
    for period in range(DAYS // _PERIOD - 1, 0, -1):
        begins = today - timedelta(days=period * _PERIOD)
        claims = [_claim(f"R{payer}{period:02}{number:02}", begins, today, chance) for number in range(_EACH_MONTH)]
        yield begins + timedelta(days=_PERIOD - 5 + payer), claims


def _claim(number: str, begins: date, today: date, chance: random.Random) -> Claim:
    code, charged = chance.choice(_SERVICES)
    service_on = begins + timedelta(days=chance.randrange(12))
    documents = _DOCUMENTS_SINCE if service_on >= turn_of(today) else _DOCUMENTS_BEFORE
    drawn = chance.randrange(100)
    reason = "252" if drawn < documents else chance.choice(_OTHER_REASONS) if drawn < documents + _OTHER else ""
    return Claim(number, code, charged, service_on, reason)


def denied_for_documents(today: date) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (denied for want of documents, all) before the turn and since."""
    every = [one for payer in range(len(PAYERS)) for _, claims in claims_of(payer, today) for one in claims]
    before = [one for one in every if one.service_on < turn_of(today)]
    since = [one for one in every if one.service_on >= turn_of(today)]
    return _share(before), _share(since)


def _share(claims: list[Claim]) -> tuple[int, int]:
    return sum(one.reason == "252" for one in claims), len(claims)


def remittance(payer: int, today: date) -> str:
    """Return a payer's file: an 835 for each day on which it paid. Source: 005010X221A1."""
    number, name = PAYERS[payer]
    made = f"{today:%y%m%d}"
    segments = [
        f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{number:<15}*ZZ*{'RIVERSIDE':<15}*{made}*0600*^*00501*{payer + 1:09}*0*P*:",
        f"GS*HP*{number}*RIVERSIDE*{today:%Y%m%d}*0600*{payer + 1}*X*005010X221A1",
    ]
    paid_on = list(claims_of(payer, today))
    for control, (day, claims) in enumerate(paid_on, 1):
        inside = list(_transaction(number, name, day, claims))
        segments += [f"ST*835*{control:04}", *inside, f"SE*{len(inside) + 2}*{control:04}"]
    segments += [f"GE*{len(paid_on)}*{payer + 1}", f"IEA*1*{payer + 1:09}"]
    return "~\n".join(segments) + "~\n"


def _transaction(number: str, name: str, day: date, claims: list[Claim]) -> Iterator[str]:
    total = sum(one.paid for one in claims)
    yield f"BPR*I*{total}*C*{'ACH' if total else 'NON'}************{day:%Y%m%d}"
    yield f"TRN*1*{number}{day:%Y%m%d}*1{'9' * 9}"
    yield f"DTM*405*{day:%Y%m%d}"
    yield from (
        f"N1*PR*{name}*XV*{number}",
        "N3*1 PAYER PLAZA",
        "N4*PORTLAND*ME*04101",
        "PER*BL*EDI DESK*TE*2075550199",
    )
    yield from ("N1*PE*RIVERSIDE IMAGING*XX*1234567893", "LX*1")
    for place, one in enumerate(claims, 1):
        adjusted = f"CO*{one.reason or 45}*{one.charged - one.paid}"
        yield f"CLP*{one.number}*{4 if one.reason else 1}*{one.charged}*{one.paid}**12*{number}{day:%y%m}{place:03}*22*1"
        yield f"NM1*QC*1*SAMPLE*PERSON{place}****MI*{number}{place:04}"
        yield f"SVC*HC:{one.code}*{one.charged}*{one.paid}**1"
        yield f"DTM*472*{one.service_on:%Y%m%d}"
        yield f"CAS*{adjusted}"


def write_all(folder: Path, today: date) -> None:
    """Put every payer's file into *folder*, each whole from the moment that it has its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for payer in range(len(PAYERS)):
        begun = folder / f".remittance-{payer}.tmp"
        begun.write_text(remittance(payer, today), "ascii")
        begun.rename(folder / f"remittance-{PAYERS[payer][0].lower()}.835")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), date.today())
