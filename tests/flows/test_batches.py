"""A batch taken whole or not at all, its messages each for itself, and the same again when it is sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.batch import messages_in, split
from bridge.domain.message import InboundMessage
from bridge.flows.receive_batch import receive_whole
from bridge.flows.receive_message import Received
from bridge.mapping.resolve import MappingSet
from bridge.store import messages
from bridge.store.tables import messages as messages_table
from bridge.wiring import House
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, order
from tests.flows.asking import say, worklist_of

BHS = b"BHS|^~\\&|EHR|MERCYW|BRIDGE|HOSP|20260301||||B1\r"


@dataclass
class Batches:
    """A house whose queue runs."""

    house: House

    def take(self, raw: bytes) -> bytes:
        return receive_whole(self.house.message_queue, self.house.clock, Received(raw, "127.0.0.1"), 30)

    def journal(self) -> list[InboundMessage]:
        with self.house.store.read() as tx:
            keys = tx.execute(select(messages_table.c.key).order_by(messages_table.c.key)).scalars()
            return [messages.get(tx, key) for key in keys]

    def accessions(self) -> list[str]:
        return sorted(str(item.AccessionNumber) for item in worklist_of(self.house))


@pytest.fixture
def batches(make_house: Callable[..., House]) -> Iterator[Batches]:
    house = make_house()
    house.message_queue.start()
    yield Batches(house)
    house.message_queue.stop()


def three_orders() -> list[bytes]:
    return [order(PLAIN, "A1"), order(NEAR_TWIN, "A2"), order(MULTI_BYTE, "A3")]


def codes(answer: bytes) -> list[str]:
    return [er7.parse(one).segments[1].field(1) or "" for one in messages_in(answer)]


def test_every_message_of_a_batch_is_journalled_applied_and_answered_as_its_own(batches: Batches) -> None:
    orders = three_orders()
    answer = batches.take(BHS + b"".join(orders) + b"BTS|3\r")

    assert codes(answer) == ["AA", "AA", "AA"]
    assert [row.raw for row in batches.journal()] == orders
    assert [row.answer for row in batches.journal()] == messages_in(answer)
    assert batches.accessions() == ["A1", "A2", "A3"]
    (header,) = [batch.header for batch in split(answer).batches]
    assert header is not None
    assert header.field(3) == "BRIDGE"
    assert answer.split(b"\r")[0].endswith(b"|B1")


def test_a_bad_message_takes_no_neighbour_with_it(batches: Batches) -> None:
    first, bad, last = three_orders()
    answer = batches.take(BHS + first + bad.replace(b"ORM^O01", b"ZZZ^Z99") + b"MSH|^~\r" + last + b"BTS|4\r")

    assert codes(answer) == ["AA", "AR", "AR", "AA"]
    assert batches.accessions() == ["A1", "A3"]


@pytest.mark.parametrize("end", [b"BTS|4\r", b"BTS|2\r", b"", b"BTS|3\rFTS|2\r"])
def test_a_batch_that_is_not_whole_is_refused_whole_and_journalled_with_its_reason(
    batches: Batches, end: bytes
) -> None:
    raw = BHS + b"".join(three_orders()) + end
    answer = batches.take(raw)

    assert er7.parse(answer).segments[1].text.startswith("MSA|AE|B1|")
    (row,) = batches.journal()
    assert (row.raw, row.control_id, row.state.value, row.error_code) == (raw, "B1", "refused", "segment_sequence")
    assert batches.accessions() == []


def test_a_batch_sent_again_gets_the_same_answers_and_nothing_twice(batches: Batches) -> None:
    raw = BHS + b"".join(three_orders()) + b"BTS|3\r"
    first = batches.take(raw)

    assert messages_in(batches.take(raw)) == messages_in(first)
    assert [row.times_received for row in batches.journal()] == [2, 2, 2]
    assert batches.accessions() == ["A1", "A2", "A3"]


def test_a_message_of_a_batch_is_the_one_that_comes_alone_later(batches: Batches) -> None:
    first, *_ = three_orders()
    inside = messages_in(batches.take(BHS + first + b"BTS|1\r"))

    assert [batches.take(first)] == inside


def test_what_a_batch_wants_no_answer_to_is_applied_and_left_out(batches: Batches) -> None:
    silent = order(PLAIN, "A1").replace(b"|P|2.3.1||||||", b"|P|2.3.1|||NE|NE||", 1)
    assert b"NE|NE" in silent
    answer = batches.take(BHS + silent + order(NEAR_TWIN, "A2") + b"BTS|2\r")

    assert codes(answer) == ["AA"]
    assert batches.accessions() == ["A1", "A2"]


def test_a_site_may_say_that_its_sender_means_one_answer_whatever_its_header_says(
    make_house: Callable[..., House],
) -> None:
    house = make_house()
    (site,) = [one for one in house.mappings.sites if one.name == "riverside"]
    plain = replace(site, policy=replace(site.policy, acknowledgment="original"))
    house.receiver.use(MappingSet(house.mappings.base, (plain,)))
    (answer,) = say(house, order(PLAIN, "A1").replace(b"|P|2.3.1||||||", b"|P|2.3.1|||AL|AL||", 1))

    assert codes(answer) == ["AA"]
