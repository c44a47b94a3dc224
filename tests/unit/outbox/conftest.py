from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.store.db import Store
from bridge.store.tables import metadata


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'bridge.db'}")
    metadata.create_all(found.engine)
    yield found
    found.dispose()
