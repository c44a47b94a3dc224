"""Who is named in a transaction: a payer, a provider, a subscriber, a dependent, with numbers, address and contact.

One loop each: NM1 and what follows it (REF, N3, N4, PER, AAA, PRV, DMG, INS). Source: ASC X12.22; 005010X217 2010A to 2010F.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bridge.codecs.x12.facts import Reference, Rejection, day
from bridge.codecs.x12.loops import Loop
from bridge.codecs.x12.segments import Segment, build


@dataclass(frozen=True, slots=True)
class Address:
    """N3 and N4. country: "" for the United States."""

    lines: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""

    def segments(self) -> list[Segment]:
        return [build("N3", *self.lines), build("N4", self.city, self.state, self.postal_code, self.country)]


@dataclass(frozen=True, slots=True)
class Contact:
    """PER. reached: (qualifier, number or address) up to three times: ("TE", "5550100")."""

    name: str = ""
    reached: tuple[tuple[str, str], ...] = ()
    function: str = "IC"

    def segment(self) -> Segment:
        return build("PER", self.function, self.name, *(one for pair in self.reached for one in pair))


@dataclass(frozen=True, slots=True)
class Party:
    """
    Someone by NM1.

    role: NM101 ("X3" utilization review, "1P" requester, "SJ" rendering, "FA" facility). name: NM103, of an organization
    or a family. qualifier, number: NM108 and NM109 ("XX" an NPI, "PI" a payer, "MI" a member).
    taxonomy: (role, code) of PRV, by the Health Care Provider Taxonomy. rejections: AAA.
    """

    role: str
    name: str = ""
    first: str = ""
    middle: str = ""
    suffix: str = ""
    is_person: bool = False
    qualifier: str = ""
    number: str = ""
    references: tuple[Reference, ...] = ()
    address: Address | None = None
    contacts: tuple[Contact, ...] = ()
    taxonomy: tuple[str, str] = ("", "")
    rejections: tuple[Rejection, ...] = ()

    def segments(self) -> list[Segment]:
        """Return its segments, in the order of a 278's loops."""
        kind = "1" if self.is_person else "2"
        name = (self.name, self.first, self.middle, "", self.suffix)
        found = [build("NM1", self.role, kind, *name, self.qualifier, self.number)]
        found += [one.segment() for one in self.references]
        found += self.address.segments() if self.address is not None else []
        found += [one.segment() for one in self.contacts]
        found += [one.segment() for one in self.rejections]
        if self.taxonomy[1]:
            found.append(build("PRV", self.taxonomy[0], "PXC", self.taxonomy[1]))
        return found


@dataclass(frozen=True, slots=True)
class Member:
    """A subscriber or dependent. birth_text: DMG02 as sent. sex: DMG03. relationship: INS02 ("18" self, "19" child)."""

    party: Party
    birth_text: str = ""
    sex: str = ""
    relationship: str = ""

    @property
    def birth_on(self) -> date | None:
        """The birth date, None where none is told."""
        return day(self.birth_text)

    def segments(self) -> list[Segment]:
        """Return its segments, in the order of a 278's loops."""
        found = self.party.segments()
        if self.birth_text or self.sex:
            found.append(build("DMG", "D8" if self.birth_text else "", self.birth_text, self.sex))
        if self.relationship:
            found.append(build("INS", "Y" if self.relationship == "18" else "N", self.relationship))
        return found


def read_party(loop: Loop) -> Party:
    """Return whom a loop that begins with NM1 names."""
    nm1 = loop.segments[0]
    street, place = loop.first("N3"), loop.first("N4")
    prv = loop.first("PRV")
    address = None
    if street is not None or place is not None:
        lines = tuple(one for at in (1, 2) if street is not None and (one := street.element(at)))
        parts = [place.element(at) if place is not None else "" for at in range(1, 5)]
        address = Address(lines, *parts)
    return Party(
        role=nm1.element(1),
        is_person=nm1.element(2) == "1",
        name=nm1.element(3),
        first=nm1.element(4),
        middle=nm1.element(5),
        suffix=nm1.element(7),
        qualifier=nm1.element(8),
        number=nm1.element(9),
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        address=address,
        contacts=tuple(_contact(one) for one in loop.all("PER")),
        taxonomy=(prv.element(1), prv.element(3)) if prv is not None else ("", ""),
        rejections=tuple(Rejection.read(one) for one in loop.all("AAA")),
    )


def read_member(loop: Loop) -> Member:
    """Return the subscriber or dependent whom a loop that begins with NM1 names."""
    return Member(read_party(loop), loop.value("DMG", 2), loop.value("DMG", 3), loop.value("INS", 2))


def _contact(per: Segment) -> Contact:
    pairs = [(per.element(at), per.element(at + 1)) for at in (3, 5, 7)]
    return Contact(per.element(2), tuple(pair for pair in pairs if pair[0]), per.element(1))
