"""The examples in the docstrings of what people read are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from bridge.codecs.hl7 import field_names
from bridge.web import page
from bridge.web.message_views import raw_of


@pytest.mark.parametrize("module", [page, field_names])
def test_examples_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(("declared", "codec"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("", "utf-8")])
def test_pasted_text_goes_in_the_set_that_it_declares(declared: str, codec: str) -> None:
    text = f"MSH|^~\\&|RIS|X|||20260302||ADT^A08|1|P|2.5.1||||||{declared}\nPID|1||7||Mercier^Élodie\n"
    assert "Élodie".encode(codec) in raw_of(text)
    assert raw_of("hello") == b"hello"
