"""Whoever writes a mapping finds every word they may use in docs/mappings.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.mapping.converters import CONVERTERS
from bridge.mapping.site import POLICY_CHOICES
from bridge.mapping.targets import TARGETS
from tests.unit.mapping.senders import shipped

DOCUMENT = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text("utf-8")
CHOICES = {choice for choices in POLICY_CHOICES.values() for choice in choices}


@pytest.mark.parametrize("preset", sorted(preset.name for preset in shipped().presets))
def test_a_preset_is_documented(preset: str) -> None:
    assert f"| `sites/{preset}` |" in DOCUMENT


@pytest.mark.parametrize("word", sorted({*TARGETS, *CONVERTERS, *POLICY_CHOICES, *CHOICES}))
def test_a_word_is_documented(word: str) -> None:
    assert f"`{word}`" in DOCUMENT
