"""Let somebody whom an EHR signed in enter the console at a patient's exams, as the account that the settings name.

Source: HL7 SMART App Launch 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Permission, Role, User
from bridge.domain.view import Launched, account_of
from bridge.errors import BridgeError, Refused
from bridge.flows.open_view import LaunchedPatient, WhoMay
from bridge.flows.sign_in import SignedIn, open_session
from bridge.store import audit, patients, users
from bridge.store.db import ReadTx, Store


@dataclass(frozen=True, slots=True)
class Entered:
    """A session that a launch opened. study_key: the one study that the chart names; else its first search is the patient's."""

    session: SignedIn
    study_key: int | None


class ConsoleDoor:
    """Opens sessions for EHRs. who_may: by the name of an EHR's server in the settings."""

    def __init__(self, store: Store, clock: Clock, who_may: Mapping[str, WhoMay], meant: LaunchedPatient) -> None:
        self._store = store
        self._clock = clock
        self._who_may = who_may
        self._meant = meant

    def enter(self, launched: Launched, origin: str, *, notes_refusal: bool = True) -> Entered:
        """
        Open a session, of the same rules as one by password, for the account of whoever the EHR says launches.

        Raises: Refused, if this EHR may not, or nobody here is named so; LookupError, if the patient or a study is not
        known here; Conflict, if the numbers are several people's, or it is in question whose. All of it is audited, a
        refusal unless it has been noted often enough.
        """
        now = self._clock.now()
        actor = f"ehr:{launched.server}:{launched.user}"
        said = {"by": "launch", "issuer": launched.issuer, "user": launched.user}
        try:
            with self._store.write() as tx:
                user = self._user(tx, launched)
                actor = f"user:{user.name}"
                person, wanted = self._meant.person(tx, launched)
                number = patients.get(tx, person).identifiers[0].patient_id
                session = SignedIn(user, open_session(tx, user, now, [number]))
                audit.add(tx, at=now, action="sign_in", actor=actor, origin=origin, patient_key=person, detail=said)
        except (BridgeError, LookupError) as fault:
            code = fault.code if isinstance(fault, BridgeError) else "not_found"
            if notes_refusal:
                with self._store.write() as tx:
                    detail = said | {"code": code}
                    audit.add(
                        tx, at=now, action="sign_in", actor=actor, origin=origin, outcome="refused", detail=detail
                    )
            raise
        return Entered(session, wanted[0] if len(wanted) == 1 else None)

    def _user(self, tx: ReadTx, launched: Launched) -> User:
        """Return the account of whoever launches. Raises: Refused."""
        who_may = self._who_may.get(launched.server)
        if who_may is None or not who_may.into_console:
            raise Refused("this EHR opens images, not the console", code="no_console")
        user = users.find(tx, account_of(launched.user, list(who_may.accounts.items()), ()) or "")
        if user is None or user.disabled or not Caller(user.name, user.role).may(Permission.READ_EXAMS):
            raise Refused("nobody here knows who the EHR says you are: ask for an account", code="unknown_user")
        if user.role is Role.ADMIN:
            # Who gives others their rights is nobody whom another system vouches for.
            raise Refused("an administrator signs in here, by password", code="no_administrator")
        return user
