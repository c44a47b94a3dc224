"""Products for tests: started when asked for, stopped at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samples.strict_ehr import StrictEhr
from tests.product.running import Product


@pytest.fixture
def make_product(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Prepare a product in a folder of its own; sections of settings as keyword arguments, in TOML."""
    made: list[Product] = []

    def make(**sections: str) -> Product:
        folder = tmp_path / f"node{len(made)}"
        folder.mkdir()
        made.append(Product(folder, sections))
        return made[-1]

    yield make
    for product in made:
        if product.addresses:
            product.stop()


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    """A strict FHIR server."""
    found = StrictEhr().start()
    yield found
    found.stop()
