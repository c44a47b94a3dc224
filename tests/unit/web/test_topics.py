"""Whatever leaves the house has a name that people read."""

from __future__ import annotations

from bridge.outbox import enqueue
from bridge.web.page import TOPICS

# Where something lies until it is fetched, not what it is.
_PLACES = {"SUBSCRIBERS", "PACKETS"}


def test_whatever_leaves_has_a_name_for_people() -> None:
    names = [name for name in vars(enqueue) if name.isupper() and not name.startswith("_") and name not in _PLACES]
    topics = [said for name in names if isinstance(said := vars(enqueue)[name], str) and said.islower()]
    assert len(topics) > 10
    assert [one for one in topics if one not in TOPICS] == []
