"""What the stories of packets and payers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bridge.pictures.pool import DecoderPool
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.flows.payer_desk import Desk, desk_of


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    """One decoder for all tests of a file: starting it takes longer than what it does."""
    pool = DecoderPool(1)
    yield pool
    pool.close()


@pytest.fixture
def payer() -> Iterator[StrictPayer]:
    """A payer that takes CDex, and judges what it gets."""
    found = StrictPayer()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def desk(make_house: Callable[..., House], decoders: DecoderPool, payer: StrictPayer) -> Desk:
    """The billing desk of a clinic that reaches that payer."""
    return desk_of(make_house, decoders, payer)
