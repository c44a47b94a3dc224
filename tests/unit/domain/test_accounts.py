"""Passwords, names, and what a role may do."""

from __future__ import annotations

import pytest

from bridge.domain.accounts import Caller, Permission, Role, check_password, check_user_name
from bridge.errors import Incomplete, Malformed


@pytest.mark.parametrize(
    "password", ["wandering-otter-42", "四月の雨が降る町の窓辺にて", "correct horse battery staple", "x1y2z3w4v5u6"]
)
def test_a_long_password_is_good_whatever_it_is_made_of(password: str) -> None:
    assert check_password(password) == password


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 129,
        "password1234",
        "PassWord1234",
        "aaaaaaaaaaaaaa",
        "121212121212",
        "maria-maria-1",
        "imagingbridge1",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(Malformed):
        check_password(password, context=("maria",))


@pytest.mark.parametrize(
    ("name", "fault"), [("  ", Incomplete), ("a:b", Malformed), ("a\nb", Malformed), ("x" * 65, Malformed)]
)
def test_a_name_that_would_confuse_a_trail_is_refused(name: str, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        check_user_name(name)


def test_scopes_only_narrow() -> None:
    assert Caller("token:a", Role.SYSTEM).may(Permission.SEND_HL7)
    assert not Caller("token:a", Role.SYSTEM, scopes=("orders",)).may(Permission.SEND_HL7)
    assert Caller("token:a", Role.SYSTEM, scopes=("orders",)).may(Permission.ENTER_ORDERS)
    assert not Caller("token:a", Role.SYSTEM, scopes=("hl7",)).may(Permission.READ_EXAMS)


def test_an_administrator_may_everything_and_a_viewer_decides_nothing() -> None:
    assert all(Caller("user:a", Role.ADMIN).may(permission) for permission in Permission)
    assert not Caller("user:a", Role.VIEWER).may(Permission.DECIDE)
    assert not Caller("user:a", Role.VIEWER).sees_unbound
