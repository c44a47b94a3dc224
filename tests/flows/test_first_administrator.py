"""A node that others can reach starts once somebody can let others in, also before they have chosen a password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.errors import Misconfigured
from bridge.flows.manage_users import LINK_FOR, add_user, trusted_sign_in_link
from bridge.flows.sign_in import choose_password
from bridge.start import prepare
from bridge.wiring import House

MakeHouse = Callable[..., House]


@pytest.fixture
def reachable(make_house: MakeHouse, durable_url: str) -> House:
    """A node with a listener beyond loopback, encrypted by a proxy before it."""
    http = {"host": "0.0.0.0", "behind_proxy": ["10.0.0.0/8"]}
    return make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), http=http)


def refuses(house: House) -> bool:
    try:
        prepare(house)
    except Misconfigured as fault:
        return ["needs an administrator" in said for said in fault.faults] == [True]
    return False


def test_user_add_is_enough_to_start(reachable: House) -> None:
    assert refuses(reachable)
    link = add_user(reachable.store, reachable.clock, "maria", Role.ADMIN, "terminal:it")
    assert not refuses(reachable)
    choose_password(reachable.store, reachable.clock, link, name="", password="wandering-otter-42", origin="")
    assert not refuses(reachable)


def test_nobody_who_could_let_others_in_is_not(reachable: House) -> None:
    store, clock = reachable.store, reachable.clock
    add_user(store, clock, "otto", Role.INTAKE, "terminal:it")
    trusted_sign_in_link(store, clock, "demo", Role.ADMIN)
    assert refuses(reachable)
    add_user(store, clock, "maria", Role.ADMIN, "terminal:it")
    assert not refuses(reachable)
    assert isinstance(clock, FixedClock)
    clock.at += LINK_FOR + timedelta(seconds=1)
    assert refuses(reachable)
