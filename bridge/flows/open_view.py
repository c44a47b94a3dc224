"""Open a view of one person's studies for whoever an EHR launches, keep it narrow while it lasts, close it.

Source: HL7 SMART App Launch 2.2.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Permission, Role, User
from bridge.domain.view import Begun, Launched, account_of
from bridge.errors import BridgeError, Conflict, Refused
from bridge.flows.sign_in import ABSOLUTE
from bridge.leaving.share_terms import still_shared
from bridge.mapping.fhir_fields import FhirGround
from bridge.mapping.fhir_patients import numbers_of
from bridge.store import audit, patients, publications, studies, users, viewer_links, views
from bridge.store.db import ReadTx, Store
from bridge.store.listings import people_images
from bridge.store.listings.people_images import ShownStudy
from bridge.store.views import View

_SEEN_STEP = timedelta(minutes=1)
# A scope that lets nobody do anything: what a view shows its own pages decide.
_NOTHING_ELSE = ("view",)


@dataclass(frozen=True, slots=True)
class WhoMay:
    """
    Who may look for an EHR. accounts: what it calls people, and what we do. viewers: kinds of people without an account.

    into_console: whether those with an account may be let into the console, too.
    """

    accounts: Mapping[str, str]
    viewers: Sequence[str]
    into_console: bool = False


@dataclass(frozen=True, slots=True)
class OpenedView:
    """A view as its browser gets it, this once. secret: for the cookie; only its digest is stored."""

    name: str
    secret: str
    life: timedelta


class Launches(Protocol):
    """What follows an EHR's launch. Raises: Refused, Unavailable, Malformed."""

    def begin(self, issuer: str, launch: str, redirect_to: Callable[[str], str]) -> tuple[Begun, str]:
        """Return a launch and the address that the browser is sent to. redirect_to: where it comes back, by the EHR's name."""

    def finish(self, begun: Begun, code: str, issuer: str, redirect_uri: str) -> Launched:
        """Redeem *code* and return what the EHR says, verified. issuer: what the answer itself names, "" for nothing."""


class LaunchedPatient:
    """Finds here whom, and what, an EHR's launch means. ground_of: what a Patient is read by."""

    def __init__(self, ground_of: Callable[[], FhirGround]) -> None:
        self._ground_of = ground_of

    def records(self, tx: ReadTx, launched: Launched) -> tuple[int, ...]:
        """Return the records that have the patient's numbers. Raises: Malformed."""
        found = [patients.find(tx, number) for number in numbers_of(launched.patient, self._ground_of())]
        return tuple(dict.fromkeys(one.key for one in found if one is not None))

    def person(self, tx: ReadTx, launched: Launched) -> tuple[int, tuple[int, ...]]:
        """
        Return whose chart it is, past merges, and the studies that are meant, () for all.

        Raises: Malformed; Conflict, LookupError, as person_of; LookupError, if one of the studies is not this person's.
        """
        person = person_of(tx, self.records(tx, launched))
        return person, _wanted(tx, launched, people_images.of_person(tx, person, in_charts=True))


class ViewDesk:
    """Opens views and recognises them. who_may: by the name of an EHR's server in the settings."""

    def __init__(self, store: Store, clock: Clock, who_may: Mapping[str, WhoMay], meant: LaunchedPatient) -> None:
        self._store = store
        self._clock = clock
        self._who_may = who_may
        self._meant = meant

    def open_launched(self, launched: Launched, origin: str, *, notes_refusal: bool = True) -> OpenedView:
        """
        Open what an EHR wants shown; opened and, unless it has been noted often enough, refused are audited, with the issuer.

        Raises: Refused, for somebody who may not look; LookupError, if the patient or a study is not known here; Conflict,
        if the numbers are several people's, or it is in question whose.
        """
        now = self._clock.now()
        actor = f"ehr:{launched.server}:{launched.user}"
        try:
            with self._store.write() as tx:
                user = self._user(tx, launched)
                actor = f"user:{user.name}" if user is not None else actor
                person, wanted = self._meant.person(tx, launched)
                records, life = self._meant.records(tx, launched), timedelta(seconds=launched.life_secs)
                view, opened = new_view(actor, records, now, life, launched.issuer)
                view = replace(view, study_keys=wanted, user_key=user.key if user is not None else None)
                key = views.add(tx, view)
                audit.add(
                    tx,
                    at=now,
                    action="view_opened",
                    actor=actor,
                    origin=origin,
                    patient_key=person,
                    detail=_said(launched) | {"view": key},
                )
        except (BridgeError, LookupError) as fault:
            code = fault.code if isinstance(fault, BridgeError) else "not_found"
            if notes_refusal:
                self.refuse(actor, origin, {"code": code} | _said(launched))
            raise
        return opened

    def refuse(self, actor: str, origin: str, detail: Mapping[str, str]) -> None:
        """Note that no view was opened."""
        with self._store.write() as tx:
            audit.add(
                tx,
                at=self._clock.now(),
                action="view_opened",
                actor=actor,
                origin=origin,
                outcome="refused",
                detail=detail,
            )

    def recognise(self, name: str, secret: str, idle: timedelta) -> tuple[Caller, View] | None:
        """Return who looks through the view called *name*, None if it is not theirs, was idle for *idle*, or is over."""
        now = self._clock.now()
        with self._store.read() as tx:
            view = views.find(tx, name)
            if view is None or not hmac.compare_digest(view.token_digest, users.digest_of_secret(secret)):
                return None
            if not _is_open(tx, view):
                return None
            user = users.get(tx, view.user_key) if view.user_key is not None else None
        if view.ends_at <= now or view.seen_at + idle <= now or (user is not None and not _may_look(user)):
            return None
        if now - view.seen_at >= _SEEN_STEP:
            with self._store.write() as tx:
                views.touch(tx, view.key, now)
        return viewer_of(view), view

    def close(self, view: View, origin: str) -> None:
        """Close a view."""
        with self._store.write() as tx:
            views.close(tx, view.key)
            audit.add(
                tx,
                at=self._clock.now(),
                action="view_closed",
                actor=view.actor,
                origin=origin,
                detail={"view": view.key},
            )

    def _user(self, tx: ReadTx, launched: Launched) -> User | None:
        """Return the account of whoever looks, None for one of the EHR's who needs none. Raises: Refused."""
        who_may = self._who_may.get(launched.server)
        named = account_of(launched.user, list(who_may.accounts.items()), who_may.viewers) if who_may else None
        user = users.find(tx, named) if named else None
        if named is None or (named and (user is None or not _may_look(user))):
            raise Refused("nobody here knows who the EHR says you are: ask for access to images", code="unknown_user")
        return user


def viewer_of(view: View) -> Caller:
    """Return who looks through a view: whatever their role elsewhere, a viewer of this alone."""
    return Caller(view.actor, Role.VIEWER, _NOTHING_ELSE)


def new_view(
    actor: str, records: tuple[int, ...], now: datetime, life: timedelta, issuer: str = ""
) -> tuple[View, OpenedView]:
    """Return a view of all studies of whom *records* are, not stored yet, and what its browser gets."""
    life = min(life, ABSOLUTE)
    opened = OpenedView(secrets.token_urlsafe(9), secrets.token_urlsafe(32), life)
    digest = users.digest_of_secret(opened.secret)
    return View(0, opened.name, digest, actor, records, (), issuer, now, now, now + life), opened


def shown_in(tx: ReadTx, view: View, study_key: int | None = None) -> list[ShownStudy]:
    """
    Return what a view shows by now, of one study or of all; no other is looked at.

    Raises: Conflict, if its records are several people's since, or in question; LookupError.
    """
    person = person_of(tx, view.record_keys)
    if study_key is None:
        return people_images.of_person(tx, person, in_charts=True, only=view.study_keys)
    is_meant = not view.study_keys or study_key in view.study_keys
    return people_images.of_person(tx, person, in_charts=True, only=[study_key]) if is_meant else []


def person_of(tx: ReadTx, records: Sequence[int]) -> int:
    """
    Return whose records these are by now, past merges.

    Raises: Conflict, if several people's, or an update made another person of one and nobody has said which is right;
    LookupError, if nobody's.
    """
    people = {patients.survivor(tx, key).key for key in records}
    if len(people) > 1:
        raise Conflict(
            "the numbers of this patient are several people's here: ask the intake desk", code="several_patients"
        )
    if not people:
        raise LookupError("nobody has these numbers")
    person = people.pop()
    if any(one.in_question for one in patients.get_many(tx, [person, *patients.merged_into(tx, person)])):
        raise Conflict("it is in question here who this patient is: ask the intake desk", code="patient_in_question")
    return person


def _wanted(tx: ReadTx, launched: Launched, shown: Sequence[ShownStudy]) -> tuple[int, ...]:
    """Return the studies that a launch is about, () for all. Raises: LookupError, if one of them is not this person's."""
    known = {one.study.study_instance_uid: one.study.key for one in shown}
    found = []
    for reference, uid in launched.studies:
        published = publications.study_at(tx, launched.server, reference) if reference else None
        uid = studies.get(tx, published).study_instance_uid if published is not None else uid
        if uid not in known:
            raise LookupError("no such study in this chart")
        found.append(known[uid])
    return tuple(dict.fromkeys(found))


def _is_open(tx: ReadTx, view: View) -> bool:
    """Say whether what opened a view would open it now: a payer's link does while its packet stands."""
    link = viewer_links.get(tx, view.link_key) if view.link_key is not None else None
    return link is None or link.attachment_key is None or still_shared(tx, link)


def _may_look(user: User) -> bool:
    return not user.disabled and Caller(user.name, user.role).may(Permission.READ_EXAMS)


def _said(launched: Launched) -> dict[str, str]:
    return {"issuer": launched.issuer, "user": launched.user}
