"""Make a link that opens one person's studies once and soon, for systems that cannot launch; open it, revoke it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Permission, check_user_name
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import BridgeError, Incomplete, Refused
from bridge.flows.open_view import OpenedView, new_view, person_of
from bridge.leaving.share_terms import still_shared
from bridge.store import audit, chart_withdrawals, credentials, patients, studies, users, viewer_links, views
from bridge.store.db import ReadTx, Store, WriteTx
from bridge.store.viewer_links import ViewerLink

LONGEST = timedelta(minutes=60)
_VIEW_LIFE = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link as it is asked for. study_instance_uid: "" for all studies of *patient*. made_for: who will look."""

    study_instance_uid: str
    patient: PatientIdentifier | None
    made_for: str
    life: timedelta


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link as its maker gets it, this once."""

    key: int
    secret: str
    ends_at: datetime


class LinkDesk:
    """Makes, opens and revokes links."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def make(self, wanted: WantedLink, caller: Caller, origin: str) -> MadeLink:
        """
        Return a new link.

        Raises: LookupError, for a study that is not bound or withdrawn from charts, or a patient that nobody is; Conflict,
        for one who is in question; Incomplete, Malformed.
        """
        made_for = check_user_name(wanted.made_for)
        if not timedelta() < wanted.life <= LONGEST:
            raise Incomplete("a link is good for 1 to 60 minutes", code="not_in_table", where="minutes")
        now, secret = self._clock.now(), secrets.token_urlsafe(32)
        with self._store.write() as tx:
            records, study_key = _meant(tx, wanted)
            person = person_of(tx, records)
            link = ViewerLink(0, records, study_key, made_for, caller.name, caller.credential, now, now + wanted.life)
            key = viewer_links.add(tx, link, users.digest_of_secret(secret))
            audit.add(
                tx,
                at=now,
                action="viewer_link_made",
                actor=caller.name,
                origin=origin,
                patient_key=person,
                study_key=study_key,
                detail={"link": key, "for": made_for},
            )
        return MadeLink(key, secret, link.ends_at)

    def is_one(self, secret: str) -> bool:
        """Say whether a link with this secret was made, whatever became of it."""
        with self._store.read() as tx:
            return viewer_links.find(tx, users.digest_of_secret(secret)) is not None

    def open(self, secret: str, origin: str) -> OpenedView:
        """
        Use up a link and open its view; opened and refused are both audited.

        Raises: Refused, if it was used, ran out or was revoked, or its maker may make none by now.
        """
        now = self._clock.now()
        link: ViewerLink | None = None
        try:
            with self._store.write() as tx:
                link = viewer_links.find(tx, users.digest_of_secret(secret))
                return self._open(tx, link, now, origin)
        except (BridgeError, LookupError):
            said = {"link": link.key} if link is not None else {}
            actor = f"link:{link.made_for}" if link is not None else "unknown"
            with self._store.write() as tx:
                audit.add(tx, at=now, action="view_opened", actor=actor, origin=origin, outcome="refused", detail=said)
            raise

    def revoke(self, key: int, caller: Caller, origin: str) -> ViewerLink:
        """End a link, and what it opened. Raises: LookupError, if there is none."""
        now = self._clock.now()
        with self._store.write() as tx:
            viewer_links.get(tx, key)
            viewer_links.revoke(tx, key, caller.name, now)
            closed = views.close_of_link(tx, key)
            audit.add(
                tx,
                at=now,
                action="viewer_link_revoked",
                actor=caller.name,
                origin=origin,
                detail={"link": key, "views_closed": closed},
            )
            return viewer_links.get(tx, key)

    def get(self, key: int) -> ViewerLink:
        """Return how a link stands. Raises: LookupError."""
        with self._store.read() as tx:
            return viewer_links.get(tx, key)

    def _open(self, tx: WriteTx, link: ViewerLink | None, now: datetime, origin: str) -> OpenedView:
        if link is None or link.ends_at <= now or not _may_open(tx, link, now):
            raise Refused("this link was used, was revoked, or has run out", code="link")
        actor, person = f"link:{link.made_for}", person_of(tx, link.record_keys)
        view, opened = new_view(actor, link.record_keys, now, min(_VIEW_LIFE, link.ends_at - now))
        only = (link.study_key,) if link.study_key is not None else ()
        key = views.add(tx, replace(view, study_keys=only, link_key=link.key))
        audit.add(
            tx,
            at=now,
            action="view_opened",
            actor=actor,
            origin=origin,
            patient_key=person,
            study_key=link.study_key,
            detail={"link": link.key, "view": key},
        )
        return opened


def _may_open(tx: WriteTx, link: ViewerLink, now: datetime) -> bool:
    """Say whether a link that has not run out opens, and use it up if it opens once; a payer's opens while its packet stands."""
    if link.attachment_key is not None:
        viewer_links.note_opened(tx, link.key, now)
        return still_shared(tx, link)
    return credentials.may_still(tx, link.credential, Permission.MAKE_LINKS, now) and viewer_links.open_once(
        tx, link.key, now
    )


def _meant(tx: ReadTx, wanted: WantedLink) -> tuple[tuple[int, ...], int | None]:
    """Return the record and the study that a link is to be about."""
    if wanted.study_instance_uid:
        study = studies.by_uid(tx, wanted.study_instance_uid)
        if study is None or not study.is_bound or study.patient_key is None:
            raise LookupError("no such study")
        if chart_withdrawals.withdrawal_of(tx, study.key) is not None:
            raise LookupError("no such study in charts")
        if wanted.patient is not None and _record(tx, wanted.patient) not in _people(tx, study.patient_key):
            raise LookupError("no such study of this patient")
        return (study.patient_key,), study.key
    if wanted.patient is None:
        raise Incomplete("a link is about a study or a patient", code="missing", where="study_instance_uid")
    return (_record(tx, wanted.patient),), None


def _record(tx: ReadTx, number: PatientIdentifier) -> int:
    found = patients.find(tx, number)
    if found is None:
        raise LookupError("nobody has that number")
    return found.key


def _people(tx: ReadTx, patient_key: int) -> tuple[int, ...]:
    live = patients.survivor(tx, patient_key).key
    return (live, *patients.merged_into(tx, live))
