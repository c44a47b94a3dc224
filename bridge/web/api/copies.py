"""Where a study's copies are, as JSON: what each archive was sent, what it promised, what it says."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.availability import Availability
from bridge.store.commitments import Kept
from bridge.store.stated_copies import StatedCopy
from bridge.web.api.shapes import Json, instant


def copies(kept: Sequence[Kept], stated: Sequence[StatedCopy]) -> list[Json]:
    """What each archive has of a study: what it was sent, what it says of keeping it, what it says can be had from it."""
    says = {one.ae_title: one for one in stated}
    unsent = [Kept(title, 0, 0, 0, 0, 0, None) for title in says if title not in {one.destination for one in kept}]
    return [_copy(one) | {"says": _stated(says.get(one.destination))} for one in (*kept, *unsent)]


def _stated(one: StatedCopy | None) -> Json | None:
    if one is None:
        return None
    return {
        "instances": {kind.value.lower(): one.counts.get(kind, 0) for kind in Availability},
        "online_of_ours": one.here,
        "since": instant(one.since),
        "retrieve_ae_titles": list(one.retrieve_ae_titles),
        "retrieve_url": one.retrieve_url or None,
    }


def _copy(one: Kept) -> Json:
    return {
        "archive": one.destination,
        "forwarded": one.forwarded,
        "committed": one.committed,
        "failed": one.failed,
        "asked": one.asked,
        "offers_commitment": not one.unsupported,
        "at": instant(one.last_at),
    }
