"""A payer looks at a whole study by the link in its packet, for as long as the packet stands."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from bridge.building.destinations import share_terms
from bridge.building.viewing import view_desks
from bridge.clock import FixedClock
from bridge.domain.attachment import ClaimAttachment
from bridge.domain.packet import PacketFile
from bridge.errors import Incomplete, Refused, Unsupported
from bridge.flows.make_viewer_link import LinkDesk
from bridge.flows.share_study import Asker, ShareDesk
from bridge.pictures.pool import DecoderPool
from bridge.store import audit, viewer_links
from bridge.store.tables import views as views_table
from bridge.store.users import digest_of_secret
from bridge.wiring import House
from tests.flows.test_packets import MakeHouse, attach, attach_again, clinic, open_file, rule, text_of, versions, work

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(make_house: MakeHouse, decoders: DecoderPool) -> House:
    return clinic(make_house, decoders)


@pytest.fixture
def agreed(make_house: MakeHouse, decoders: DecoderPool) -> House:
    """The same house, whose payer may get links to whole studies for ten days."""
    payer = [{"name": "Acme", "id": "60054", "share_days": 10}]
    return clinic(make_house, decoders, payers=payer, http={"public_url": "https://bridge.example.org"})


def shares(house: House) -> ShareDesk:
    return ShareDesk(house.store, house.clock, share_terms(house))


ASKER = Asker("user:bill", "127.0.0.1")


def shared(house: House) -> tuple[ClaimAttachment, str]:
    """Return an attachment whose packet has a link, and that link's secret."""
    made = attach(house)
    work(house)
    shares(house).share(made.authorization_key, made.key, "asked for by the reviewer", ASKER)
    work(house)
    link = json.loads(open_file(house, made, PacketFile.MANIFEST))["link"]["url"]
    assert link in text_of(open_file(house, made)).replace(" ", "")
    return made, link.partition("?link=")[2]


def opens(house: House, secret: str) -> bool:
    try:
        LinkDesk(house.store, house.clock).open(secret, "192.0.2.7")
    except Refused:
        return False
    return True


def test_a_payers_link_opens_the_bound_study_many_times_until_it_ends(agreed: House) -> None:
    made, secret = shared(agreed)
    assert [opens(agreed, secret), opens(agreed, secret)] == [True, True]
    with agreed.store.read() as tx:
        opened = tx.execute(select(views_table.c.study_keys)).scalars().all()
        rows = [one for one in audit.recent(tx, limit=50) if one.action in ("view_opened", "study_shared")]
    assert opened == [[made.study_key]] * 2
    assert [(one.action, one.actor) for one in rows] == [("view_opened", "link:60054")] * 2 + [
        ("study_shared", "user:bill")
    ]
    assert rows[-1].detail["reason"] == "asked for by the reviewer"
    assert isinstance(agreed.clock, FixedClock)
    agreed.clock.at += timedelta(days=10)
    assert not opens(agreed, secret)


def test_a_payers_link_is_kept_as_a_digest_and_the_same_evidence_makes_no_new_one(agreed: House) -> None:
    made, secret = shared(agreed)
    attach_again(agreed, made)
    work(agreed)
    assert versions(agreed, made) == [2, 1]
    with agreed.store.read() as tx:
        (link,) = viewer_links.of_attachment(tx, made.key)
        assert viewer_links.find(tx, digest_of_secret(secret)) == link
    assert len(secret) >= 43


def test_a_payers_link_opens_nothing_while_its_study_is_in_question_or_once_it_was_bound_anew(agreed: House) -> None:
    _, secret = shared(agreed)
    rule(agreed, "unbind")
    assert not opens(agreed, secret)
    rule(agreed, "bind", accession_number="A1")
    assert not opens(agreed, secret)


@pytest.mark.parametrize("rulings", [1, 2])
def test_what_a_payers_link_opened_is_closed_at_once_where_it_opens_nothing_more(agreed: House, rulings: int) -> None:
    _, secret = shared(agreed)
    opened = LinkDesk(agreed.store, agreed.clock).open(secret, "192.0.2.7")
    desk = view_desks(agreed).views
    idle = timedelta(minutes=60)
    assert desk.recognise(opened.name, opened.secret, idle) is not None
    rule(agreed, "unbind")
    if rulings == 2:
        rule(agreed, "bind", accession_number="A1")
    assert desk.recognise(opened.name, opened.secret, idle) is None


def test_ending_a_link_closes_what_it_opened_and_makes_a_packet_without_one(agreed: House) -> None:
    made, secret = shared(agreed)
    assert opens(agreed, secret)
    shares(agreed).end(made.authorization_key, made.key, ASKER)
    assert not opens(agreed, secret)
    with agreed.store.read() as tx:
        assert tx.execute(select(views_table)).all() == []
    work(agreed)
    assert json.loads(open_file(agreed, made, PacketFile.MANIFEST))["link"] is None
    with pytest.raises(LookupError):
        shares(agreed).end(made.authorization_key, made.key, ASKER)


def test_no_link_is_made_where_none_were_agreed(house: House) -> None:
    made = attach(house)
    work(house)
    with pytest.raises(Unsupported):
        shares(house).share(made.authorization_key, made.key, "asked for by the reviewer", ASKER)


def test_no_link_is_made_without_a_reason(agreed: House) -> None:
    made = attach(agreed)
    work(agreed)
    with pytest.raises(Incomplete):
        shares(agreed).share(made.authorization_key, made.key, "  ", ASKER)
