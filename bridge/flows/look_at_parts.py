"""Whom each series of a study names: what a person goes by who parts a study of two patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.domain.evidence import identity_of
from bridge.domain.study import Header, Instance, Study
from bridge.errors import Unavailable
from bridge.flows.image_sources import ImageSources
from bridge.flows.standing_repairs import repairs_for
from bridge.store import bulk_jobs, splits, studies
from bridge.store.blobs import Blobs
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import Store

# Headers that are read for one page; of more images, as many of each series, evenly from its first to its last.
MOST_READ = 300


@dataclass(frozen=True, slots=True)
class NamedPart:
    """The images of a series that name the same person under the same accession number. says: one of their headers."""

    says: Header
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """Whom a series names, most images first. looked_at: how many of its images were asked."""

    parts: tuple[NamedPart, ...]
    looked_at: int
    image_count: int

    @property
    def is_whole(self) -> bool:
        return self.looked_at == self.image_count


class PartsDesk:
    """Says whom the series of a study name, as their devices are read now; it decides nothing."""

    def __init__(self, store: Store, blobs: Blobs, sources: ImageSources) -> None:
        self._store = store
        self._blobs = blobs
        self._sources = sources

    def named(self, study: Study, series_instance_uids: Sequence[str]) -> dict[str, SeriesNames]:
        """
        Return whom each of these series names, by its UID; an object that is out of reach is not asked.

        No object is opened where all of the study's images are known to say the same.
        """
        with self._store.read() as tx:
            of_series: dict[str, list[tuple[Instance, str]]] = {}
            for instance, series, received_from in splits.chosen(tx, study.key, series_instance_uids):
                of_series.setdefault(series.series_instance_uid, []).append((instance, received_from))
            is_one = not studies.other_identities(tx, study.key)
            standing = bulk_jobs.standing(tx)
        share = max(1, MOST_READ // max(1, len(of_series)))
        found = {}
        for uid, held in of_series.items():
            if is_one:
                said = [(one, study.received) for one, _ in held]
            else:
                said = [each for pair in _evenly(held, share) for each in self._asked(study, pair, standing)]
            found[uid] = SeriesNames(_parts(said), len(said), len(held))
        return found

    def _asked(
        self, study: Study, held: tuple[Instance, str], standing: Sequence[BulkJob]
    ) -> list[tuple[Instance, Header]]:
        """Return what one object says; nothing, where it is not at hand."""
        instance, received_from = held
        device = received_from.rpartition("@")[0]
        if instance.removed_at is not None:
            return []
        try:
            with self._blobs.at_hand(instance.blob) as path:
                first = repairs_for(standing, device, study.first_instance_at)
                return [(instance, self._sources.read_header(path, device, first=first))]
        except Unavailable:
            return []


def _evenly(held: Sequence[tuple[Instance, str]], share: int) -> list[tuple[Instance, str]]:
    """Return at most *share* of them, the first and the last among them where there are two."""
    if len(held) <= share:
        return list(held)
    step = (len(held) - 1) / max(1, share - 1)
    return [held[round(at * step)] for at in range(share)]


def _parts(said: Sequence[tuple[Instance, Header]]) -> tuple[NamedPart, ...]:
    alike: dict[object, list[tuple[Instance, Header]]] = {}
    for instance, header in said:
        alike.setdefault((identity_of(header), header.accession_number), []).append((instance, header))
    parts = [NamedPart(pairs[0][1], tuple(one.sop_instance_uid for one, _ in pairs)) for pairs in alike.values()]
    return tuple(sorted(parts, key=lambda part: -len(part.sop_instance_uids)))
