"""Whatever stands in an address or a form, an answer says what is wrong; nothing breaks on our side."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.web.access import CLOSED_ROOTS
from tests.fakes.console import Console
from tests.unit.web.test_access import routes

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HUGE = "9" * 30
QUERIES = (
    "",
    f"?query={HUGE}&day=2026-13-01&before={HUGE}&limit={HUGE}&as=%00",
    "?before=%D9%A3&limit=%D9%A3&query=%D9%A3&changed=%D9%A3",
)
FORM = {"version": HUGE, "base": HUGE, "who": HUGE, "status": "STARTED", "date": "0001-01-01", "time": "10:00"}
BODIES: tuple[Any, ...] = ([], {"choices": {"x": 1}, "version": 10**30}, {"version": 1, "reason": 5}, {"patient": []})


def calls(rule: str, method: str, value: str) -> list[tuple[str, dict[str, Any]]]:
    """Return addresses and contents to try a route with."""
    path = re.sub(r"<[^>]*>", value, re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule))
    tried: list[tuple[str, dict[str, Any]]] = [(path + query, {}) for query in QUERIES]
    if method == "GET":
        return tried
    if not rule.startswith(CLOSED_ROOTS):
        return [*tried, (path, {"data": FORM})]
    return [*tried, *((path, {"json": body}) for body in BODIES)]


@pytest.mark.parametrize("value", [HUGE, "order-" + HUGE, "%00"])
def test_no_address_or_content_breaks_us(console: Console, value: str) -> None:
    console.order()
    machine, browser = console.machine(Role.ADMIN), console.browser(Role.ADMIN)
    headers = {"X-CSRF-Token": console.form_token(browser)}
    broken = []
    for rule, method, _ in routes(console):
        if "sign" in rule:
            continue
        client = machine if rule.startswith((*CLOSED_ROOTS, "/metrics")) else browser
        for address, content in calls(rule, method, value):
            if client.open(address, method=method, headers=headers, **content).status_code == 500:
                broken.append((method, address))
    assert broken == []
