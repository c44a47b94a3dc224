"""What the proof counts is kept: a claim anew with each word on it, exams and devices now and then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from bridge.clock import Clock
from bridge.domain.claim_story import ClaimStory, tell_claims
from bridge.domain.proof import Warned
from bridge.store import claim_figures
from bridge.store.claim_figures import ExamFigure, Imaged
from bridge.store.db import ReadTx, Store, WriteTx

_RECENT = timedelta(days=30)
_AT_ONCE = 1000
# So many written at once keep others from writing for some hundredths of a second.
_WRITTEN_AT_ONCE = 250


def count_claim(tx: WriteTx, claim_number: str) -> None:
    """Count the claims with that number anew; what names no claim of ours is none."""
    if not claim_number:
        return
    stories = tell_claims(claim_figures.words_on(tx, claim_number))
    imaged = claim_figures.images_of(tx, [one.order_key for one in stories if one.order_key is not None])
    rows = [(one, *_where_and_when(one, imaged)) for one in stories]
    claim_figures.replace_claims(tx, claim_number, rows)


def _where_and_when(story: ClaimStory, imaged: dict[int, Imaged]) -> tuple[str, str]:
    images = imaged.get(story.order_key) if story.order_key is not None else None
    known = images.study_date if images is not None else ""
    service_on = story.service_on.strftime("%Y%m%d") if story.service_on is not None else known
    return service_on, images.device if images is not None else ""


class ExamCounter:
    """Counts exams under authorizations, and notes of claims whose images they are. zone: whose days exams are on."""

    def __init__(self, store: Store, clock: Clock, zone: tzinfo) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone

    def count_recent(self) -> int:
        """Count the exams that had images in the last 30 days; return how many rows changed."""
        with self._store.read() as tx:
            keys = claim_figures.orders_with_images_since(tx, self._clock.now() - _RECENT)
        return sum(self._count(keys[at : at + _AT_ONCE]) for at in range(0, len(keys), _AT_ONCE))

    def count_all(self) -> int:
        """Count every exam; return how many rows changed."""
        changed, last = 0, 0
        while True:
            with self._store.read() as tx:
                keys = claim_figures.orders_from(tx, last, _AT_ONCE)
            if not keys:
                return changed
            changed += self._count(keys)
            last = keys[-1]

    def _count(self, order_keys: Sequence[int]) -> int:
        """Look without a lock; only what is not as it was counted is counted anew, as it is by then."""
        with self._store.read() as tx:
            imaged = claim_figures.images_of(tx, order_keys)
            exams = claim_figures.other_exams(tx, order_keys, _exams(tx, imaged, self._zone))
            devices = claim_figures.other_devices(tx, order_keys, {key: one.device for key, one in imaged.items()})
        for at in range(0, len(exams), _WRITTEN_AT_ONCE):
            part = exams[at : at + _WRITTEN_AT_ONCE]
            with self._store.write() as tx:
                claim_figures.replace_exams(tx, part, _exams(tx, claim_figures.images_of(tx, part), self._zone))
        if devices:
            with self._store.write() as tx:
                claim_figures.put_devices(tx, devices)
        return len(exams) + len(devices)


def _exams(tx: ReadTx, imaged: dict[int, Imaged], zone: tzinfo) -> list[ExamFigure]:
    payers = claim_figures.payers_of(tx, imaged)
    warned = claim_figures.first_warned_at(tx, payers)
    sent = claim_figures.first_sent_at(tx, [study for key in payers for study in imaged[key].study_keys])
    found = []
    for key, (payer, name) in payers.items():
        images = imaged[key]
        left = min((sent[study] for study in images.study_keys if study in sent), default=None)
        day = f"{images.first_image_at.astimezone(zone):%Y%m%d}"
        when = _when_warned(warned.get(key), images.first_image_at)
        found.append(ExamFigure(key, day, payer, name, images.device, when, _minutes(images.last_image_at, left)))
    return found


def _when_warned(at: datetime | None, first_image_at: datetime) -> Warned:
    if at is None:
        return Warned.NEVER
    return Warned.BEFORE if at < first_image_at else Warned.AFTER


def _minutes(last_image_at: datetime, sent_at: datetime | None) -> int | None:
    """Return from the last image to what left first; 0 where more images came after that."""
    return None if sent_at is None else max(0, round((sent_at - last_image_at).total_seconds() / 60))
