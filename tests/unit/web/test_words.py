"""The examples in the docstrings of what people read are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from bridge.codecs.hl7 import field_names
from bridge.web import case_sides, page


@pytest.mark.parametrize("module", [page, case_sides, field_names])
def test_examples_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
