"""A name is judged by the addresses behind it, at the moment it is called."""

from __future__ import annotations

import pytest

from bridge.clock import Clock
from bridge.domain.endpoints import LOOPBACK
from bridge.errors import Unavailable
from bridge.publishers.outside_post import OutsidePost, Reach
from tests.fakes.receiver import Receiver


@pytest.mark.parametrize(
    ("found", "code"), [(["10.0.0.1"], "private_address"), (["127.0.0.1"], "private_address"), ([], "unknown_host")]
)
def test_a_name_that_leads_to_where_only_we_can_reach_is_not_called(found: list[str], code: str) -> None:
    post = OutsidePost(Clock(), Reach(), lambda host, port: found)
    with pytest.raises(Unavailable) as fault:
        post.post("https://receiver.example.org/x", b"{}", {})
    assert fault.value.code == code


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    post = OutsidePost(Clock(), Reach(), lambda host, port: ["93.184.215.14", "192.168.0.7"])
    with pytest.raises(Unavailable) as fault:
        post.post("https://receiver.example.org/x", b"{}", {})
    assert fault.value.code == "private_address"


def test_a_request_keeps_the_name_it_was_for() -> None:
    with Receiver() as receiver:
        OutsidePost(Clock(), Reach(LOOPBACK)).post(
            receiver.url.replace("127.0.0.1", "localhost"), b"{}", {"X-Key": "1"}
        )
        (told,) = receiver.told
    assert told.headers["host"].startswith("localhost:")
    assert (told.headers["x-key"], told.path, told.body) == ("1", "/told", b"{}")


def test_an_answer_whose_headers_never_end_is_cut() -> None:
    with Receiver() as receiver:
        receiver.trickles = receiver.trickles_headers = True
        with pytest.raises(Unavailable):
            OutsidePost(Clock(), Reach(LOOPBACK)).post(receiver.url, b"{}", {}, 0.1)
