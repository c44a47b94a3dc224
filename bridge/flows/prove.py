"""The proof is put together: each month once, and anew when anything in it was counted anew."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from bridge.domain.proof import Compared, Figures, Proof, by_name, together
from bridge.store.db import ReadTx, Store
from bridge.store.listings import proof as listing
from bridge.store.listings.proof import Cells, Window

NO_PAYER, NO_DEVICE = "payer not named", "device not known"
_KEPT = 256

_Span = tuple[str, str]


class Prover:
    """Reads the report, and remembers the spans of days that it read, as they were counted then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: OrderedDict[_Span, tuple[int, Cells]] = OrderedDict()
        self._lock = threading.Lock()

    def prove(self, window: Window) -> Proof:
        """Return the whole report on a window."""
        with self._store.read() as tx:
            months = listing.months_of(tx, window)
            spans = [(month, *one) for month in months for one in _spans(month, window)]
            found = [(month, is_since, self._cells(tx, span, months[month])) for month, span, is_since in spans]
            parts = [(month, is_since, key, one) for month, is_since, cells in found for key, one in cells.items()]
            by_month = _compared((month, is_since, one) for month, is_since, _, one in parts)
            by_payer = _compared((key[0], is_since, one) for _, is_since, key, one in parts)
            by_device = _compared((key[1], is_since, one) for _, is_since, key, one in parts)
            names = listing.payer_names(tx, by_payer)
            every = list(by_month.values())
            return Proof(
                window.since,
                Compared("", together(one.before for one in every), together(one.since for one in every)),
                tuple(by_month[name] for name in sorted(by_month)),
                by_name(by_payer, lambda key: names.get(key) or key or NO_PAYER),
                by_name(by_device, lambda key: key or NO_DEVICE),
                listing.categories(tx, window),
                listing.codes(tx, window),
                listing.undated(tx),
            )

    def _cells(self, tx: ReadTx, span: _Span, version: int) -> Cells:
        with self._lock:
            known = self._read.get(span)
        if known is None or known[0] != version:
            known = (version, listing.cells(tx, *span))
        with self._lock:
            self._read[span] = known
            self._read.move_to_end(span)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return known[1]


def _spans(month: str, window: Window) -> Iterator[tuple[_Span, bool]]:
    """Yield the days of a month that are looked at, and whether they are since the day: two spans where it lies within."""
    first, last = max(f"{month}01", window.begins), min(f"{month}31", window.ends)
    if first >= window.since:
        yield (first, last), True
    elif last < window.since:
        yield (first, last), False
    else:
        yield (first, _before(window.since)), False
        yield (window.since, last), True


def _before(day: str) -> str:
    """Return the end of what is before a day of the same month, as text is compared."""
    return f"{int(day) - 1:08d}"


def _compared(parts: Iterable[tuple[str, bool, Figures]]) -> dict[str, Compared]:
    groups: dict[str, tuple[list[Figures], list[Figures]]] = {}
    for name, is_since, figures in parts:
        groups.setdefault(name, ([], []))[is_since].append(figures)
    return {name: Compared(name, together(before), together(since)) for name, (before, since) in groups.items()}
