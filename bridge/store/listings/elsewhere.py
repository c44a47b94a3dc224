"""Lines of the timeline that rest on what archives say they have now: they meet a study and its order whichever came first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.domain.availability import Availability
from bridge.store import stated_copies, studies
from bridge.store.db import ReadTx
from bridge.store.events import Event, Station
from bridge.store.stated_copies import StatedCopy

_GONE = (Availability.OFFLINE, Availability.UNAVAILABLE)


def lines(tx: ReadTx, study_instance_uids: Iterable[str], counts: Mapping[str, int]) -> list[Event]:
    """
    Return one line for each archive that has a study whole, or that cannot give out some of it.

    counts: how many instances are here of each study that may be shown; nothing is said of another one that is here.
    """
    found = []
    for uid in study_instance_uids:
        said = stated_copies.of_study(tx, uid) if uid else []
        if said and uid not in counts and studies.key_by_uid(tx, uid) is not None:
            continue
        found += [line for one in said if (line := _line(one, counts.get(uid, 0))) is not None]
    return found


def _line(one: StatedCopy, total: int) -> Event | None:
    """Return what is to be said of one archive's copy, None for nothing. total: instances here."""
    gone = sum(one.counts.get(kind, 0) for kind in _GONE)
    if one.online_since is not None and total and one.here == total:
        at, what = one.online_since, f"{one.ae_title} has {one.here} of {total} instances online"
    elif one.online_since is not None and not total:
        at, what = one.online_since, f"{one.ae_title} has {one.online} instances online, none is here"
    elif gone:
        at, what = one.since, f"{one.ae_title} says that {gone} of its instances cannot be retrieved"
    else:
        return None
    return Event(at, Station.IMAGES, what, one.ae_title)
