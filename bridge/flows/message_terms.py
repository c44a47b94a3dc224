"""By which numbers a message will be found: those it carries, and the accession numbers that its mapping made of it."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.hl7.er7 import Message
from bridge.codecs.hl7.numbers import numbers_of, numbers_of_unreadable
from bridge.domain.message import Term, TermKind, term_text
from bridge.mapping.apply import Mapped


def terms_of(raw: bytes, message: Message | None, mapped: Mapped | None, authority: str) -> Sequence[Term]:
    """Return the numbers of *raw*. message: None where it could not be read. mapped: None where it was refused unmapped."""
    if message is None:
        return numbers_of_unreadable(raw, authority)
    terms = numbers_of(message, authority)
    if mapped is None or not mapped.orders:
        return terms
    known = {term.value for term in terms if term.kind == TermKind.ACCESSION}
    made = dict.fromkeys(term_text(order.accession_number) for order in mapped.orders if order.accession_number)
    added = [Term(TermKind.ACCESSION, value) for value in made if value not in known]
    if not added:
        return terms
    return [*(term for term in terms if term.kind != TermKind.ORDER or term.value not in made), *added]
