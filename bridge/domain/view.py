"""What somebody who comes from a chart, or by a link, may look at: one person, or some of their studies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A launch on its way through the EHR's authorization server. server: its name in the settings; issuer: its base URL.

    state, nonce, verifier: secrets of the browser that was launched. into_console: it is to end there, not in a view.
    """

    server: str
    issuer: str
    state: str
    nonce: str
    verifier: str
    into_console: bool = False


@dataclass(frozen=True, slots=True)
class Launched:
    """
    What an EHR's launch says, verified. server: its name in the settings. issuer: its base URL. user: "Practitioner/7".

    patient: the EHR's Patient, as it says it. studies: (reference there, Study UID) of what is to be shown, either may
    be "", () for all. life_secs: how long the EHR lets us.
    """

    server: str
    issuer: str
    user: str
    patient: Mapping[str, Any]
    studies: tuple[tuple[str, str], ...]
    life_secs: float


def account_of(user: str, accounts: Collection[tuple[str, str]], viewers: Collection[str]) -> str | None:
    """
    Return the account here of whoever an EHR says looks, "" for somebody who may look without one, None for nobody.

    accounts: pairs of what the EHR calls people and what we do; viewers: kinds of people that may look without an account.

    >>> account_of("Practitioner/7", [("Practitioner/7", "maria")], [])
    'maria'
    >>> account_of("Practitioner/8", [], ["Practitioner"]), account_of("Patient/8", [], ["Practitioner"])
    ('', None)
    """
    named = next((here for there, here in accounts if there == user), None)
    if named is not None:
        return named
    return "" if user.partition("/")[0] in viewers else None
