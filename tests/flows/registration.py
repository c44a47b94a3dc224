"""Registration's messages as tests write them, and the filing they lead to, read from the rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from bridge.domain.identifiers import EntityIdentifier
from bridge.store import orders, patients
from bridge.store.tables import (
    authorizations,
    merges,
    patient_identifiers,
    studies,
    visits,
)
from bridge.store.tables import orders as orders_table
from bridge.wiring import House
from tests import cast
from tests.cast import Person

ISSUER = "RIVERSIDE"


def tell(trigger: str, *segments: str, at: str = "20260302090000") -> bytes:
    """Return an ADT message of these segments."""
    body = "\r".join(segments)
    head = (
        f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{at}||ADT^{trigger}|"
        f"R{abs(hash((trigger, body, at))) % 10**12}|P|2.5.1"
    )
    return f"{head}\rEVN|{trigger}|{at}\r{body}\r".encode()


def resent(message: bytes, at: str = "") -> bytes:
    """Return *message* as another one that says the same, later where *at* is given."""
    header, _, rest = message.partition(b"\r")
    bar = message[3:4]
    fields = header.split(bar)
    fields[9] = fields[9][:12] + b"-2"
    if at:
        rest = rest.replace(fields[6], at.encode())
        fields[6] = at.encode()
    return bar.join(fields) + b"\r" + rest


def mrg(person: Person | None, *, account: str = "", visit: str = "") -> str:
    """Return an MRG segment: whose number, account or visit it was."""
    number = f"{person.patient_id}^^^{ISSUER}^MR" if person is not None else ""
    return f"MRG|{number}||{account}||{visit}"


def pv1(visit: str = "", *, place: str = "", patient_class: str = "I", discharged: str = "") -> str:
    """Return a PV1 segment."""
    fields = [""] * 46
    fields[0], fields[2], fields[3], fields[19], fields[45] = "PV1", patient_class, place, visit, discharged
    return "|".join(fields).rstrip("|")


def order_of(person: Person, accession: str, visit: str = "", *, at: str = "20260302080500", extra: str = "") -> bytes:
    """Return an order within a visit."""
    plain = cast.order(person, accession, at=at, extra=extra).decode()
    return plain.replace("PV1|1|O\r", pv1(visit) + "\r").encode()


def authorized(number: str) -> str:
    """Return the segment by which an order names an authorization."""
    return f"AUT||60054|ACME|||{number}\r"


@dataclass(frozen=True)
class Filing:
    """
    Who has what, by numbers alone: equal after two histories that should lead to the same.

    numbers: each patient number to its live record; the others: each order, visit, authorization and study to its
    owner. A record is written as the numbers that images may carry for it.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    orders: dict[str, tuple[str, str]] = field(default_factory=dict)
    visits: dict[str, tuple[str, str]] = field(default_factory=dict)
    authorizations: dict[str, str] = field(default_factory=dict)
    studies: dict[str, tuple[str, str]] = field(default_factory=dict)


def filing_of(house: House) -> Filing:
    """Return who has what now."""
    with house.store.read() as tx:

        def name(key: int | None) -> str:
            if key is None:
                return ""
            return "+".join(sorted(one.patient_id for one in patients.survivor(tx, key).identifiers))

        return Filing(
            numbers={
                row.patient_id
                if row.issuer_of_patient_id == ISSUER
                else f"{row.patient_id}@{row.issuer_of_patient_id}": name(row.patient_key)
                for row in tx.execute(select(patient_identifiers))
            },
            orders={
                row.accession_number: (name(row.patient_key), row.admission_id)
                for row in tx.execute(select(orders_table))
            },
            visits={
                row.admission_id: (name(row.patient_key), row.account_number)
                for row in tx.execute(select(visits).where(visits.c.moved_into.is_(None)))
            },
            authorizations={row.number: name(row.patient_key) for row in tx.execute(select(authorizations))},
            studies={
                row.received_accession_number: (row.state, name(row.patient_key)) for row in tx.execute(select(studies))
            },
        )


def entries(house: House) -> list[int]:
    """Return the journal's entries that stand, the last first."""
    with house.store.read() as tx:
        query = select(merges.c.key).where(merges.c.undone_at.is_(None)).order_by(merges.c.key.desc())
        return list(tx.execute(query).scalars())


def step_states(house: House, accession: str) -> list[str]:
    """Return the states of an order's steps."""
    with house.store.read() as tx:
        (order,) = orders.by_accession(tx, accession)
        return [step.status.value for step in orders.steps_of(tx, order.key)]


def visit_id(value: str) -> EntityIdentifier:
    """Return a visit's number as this clinic's."""
    return EntityIdentifier(value, ISSUER)
