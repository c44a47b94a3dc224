"""Links that open images: what they say, and what they never say."""

from __future__ import annotations

import doctest

from bridge.domain import viewer_links


def test_the_examples_hold() -> None:
    assert doctest.testmod(viewer_links).failed == 0


def test_what_is_said_stays_within_its_place_in_the_address() -> None:
    assert viewer_links.study_link("https://b", "1.2&x=3#y").endswith("studyUID=1.2%26x%3D3%23y")
    assert viewer_links.open_link("https://b/", "a&b") == "https://b/open?link=a%26b"
