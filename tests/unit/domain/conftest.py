"""What the tests of reconciliation share."""

from __future__ import annotations

import pytest

from tests.unit.domain.hospital import Hospital


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()
