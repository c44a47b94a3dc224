"""Any message is found by anything it says, refused or applied, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.message import MessageFilter, MessageState
from bridge.flows.receive_message import Received
from bridge.store import messages
from bridge.store.listings.message_search import MessageSearch, facets
from bridge.store.tables import message_terms
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import ORDER, Console


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """Four orders, one of them with an order control that is none, one from a stranger, one for a test."""
    console = Console(make_house(FixedClock(AT)))
    console.order("A1")
    send(console, order("A2", patient_id="00041002").replace("ORC|NW", "ORC|ZZ"))
    console.clock.at += timedelta(days=1)
    send(console, order("A3", patient_id="00041003").replace("RIVEHR|RIVERSIDE", "NOBODY|NOWHERE"))
    send(console, order("A4", patient_id="00041001").replace("|P|2.5.1", "|T|2.5.1"))
    return console


def order(number: str, patient_id: str = "00041001") -> str:
    return ORDER.format(number=number, name="HALVORSEN^INGRID", patient_id=patient_id, control_id=f"C{number}")


def send(console: Console, text: str) -> None:
    console.house.receiver.receive([Received(text.encode(), "127.0.0.1")])


def found(console: Console, wanted: MessageFilter) -> list[str]:
    with console.store.read() as tx:
        return [messages.get(tx, key).control_id for key in MessageSearch(tx, wanted).page(limit=50)]


@pytest.mark.parametrize(
    ("wanted", "control_ids"),
    [
        (MessageFilter(), ["CA4", "CA3", "CA2", "CA1"]),
        (MessageFilter(text="CA2"), ["CA2"]),
        (MessageFilter(control_id="CA2"), ["CA2"]),
        (MessageFilter(text="00041002"), ["CA2"]),
        (MessageFilter(text=" a3 "), ["CA3"]),
        (MessageFilter(patient_id="00041001"), ["CA4", "CA1"]),
        (MessageFilter(patient_id="00041001^^^riverside"), ["CA4", "CA1"]),
        (MessageFilter(patient_id="00041001^^^NORTHGATE"), []),
        (MessageFilter(accession_number="A2"), ["CA2"]),
        (MessageFilter(accession_number="PA2"), []),
        (MessageFilter(order_number="PA2"), ["CA2"]),
        (MessageFilter(order_number="A2"), ["CA2"]),
        (MessageFilter(state="refused"), ["CA4", "CA3", "CA2"]),
        (MessageFilter(state="refused", site="riverside"), ["CA4", "CA2"]),
        (MessageFilter(message_type="OMG"), ["CA4", "CA3", "CA2", "CA1"]),
        (MessageFilter(message_type="OMG^O19", state="applied"), ["CA1"]),
        (MessageFilter(message_type="OM"), []),
        (MessageFilter(is_test=True), ["CA4"]),
        (MessageFilter(is_test=False, state="refused"), ["CA3", "CA2"]),
        (MessageFilter(until=AT + timedelta(hours=1)), ["CA2", "CA1"]),
        (MessageFilter(since=AT + timedelta(hours=1)), ["CA4", "CA3"]),
        (MessageFilter(since=AT + timedelta(days=9)), []),
        (MessageFilter(text="A4", patient_id="00041001", state="refused"), ["CA4"]),
        (MessageFilter(text="A4", patient_id="00041002"), []),
        (MessageFilter(control_id="CA1", accession_number="A1"), ["CA1"]),
        (MessageFilter(text="halvorsen"), ["CA1"]),
        (MessageFilter(text="nobody'; DROP TABLE messages;--"), []),
    ],
)
def test_a_message_is_found(console: Console, wanted: MessageFilter, control_ids: list[str]) -> None:
    wanted = replace(wanted, text=wanted.text.strip())
    assert found(console, wanted) == control_ids
    with console.store.read() as tx:
        lookup = MessageSearch(tx, wanted)
        assert lookup.count() == len(control_ids)
        tally = lookup.tally()
        assert tally[MessageState(wanted.state or "applied")] <= len(lookup.page(limit=9))
        oldest_first = lookup.page(limit=9, oldest_first=True)
        assert oldest_first == lookup.page(limit=9)[::-1]
        assert lookup.page(limit=9, after=oldest_first[0] if oldest_first else 1, oldest_first=True) == oldest_first[1:]


def test_pages_follow_one_another_without_gap_or_repeat(console: Console) -> None:
    with console.store.read() as tx:
        lookup = MessageSearch(tx, MessageFilter(state="refused"))
        first = lookup.page(limit=2)
        assert first + lookup.page(limit=2, after=first[-1]) == lookup.page(limit=9)


def test_every_combination_is_known_once(console: Console) -> None:
    with console.store.read() as tx:
        known = [(one.state, one.site, one.is_test) for one in facets(tx)]
        assert MessageSearch(tx, MessageFilter()).tally(1) == {"applied": 1, "refused": 2, "failed": 0}
    assert sorted(known) == [
        ("applied", "riverside", False),
        ("refused", "", False),
        ("refused", "riverside", False),
        ("refused", "riverside", True),
    ]


def test_what_is_forgotten_of_strangers_leaves_no_numbers(console: Console) -> None:
    with console.store.write() as tx:
        assert messages.trim_strangers(tx, 0, 1 << 20, AT - timedelta(days=9)) == 1
        assert not tx.execute(message_terms.select().where(message_terms.c.value == "00041003")).all()
    assert found(console, MessageFilter(text="00041003")) == []
