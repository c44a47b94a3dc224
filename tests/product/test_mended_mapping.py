"""An integrator edits five lines of a mapping and replays a day of traffic: no restart, nothing lost, a crash survived."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx2

from tests.cast import PLAIN, adt, order
from tests.conftest import ROOT
from tests.product.running import Product, log_lines, wait_for

WRONG = """
[requested_procedure.accession]
from     = "ZOR-2"
required = true
because  = "what the interface specification said"
"""
COUNT = 120


def prepare(make_product: Callable[..., Product], tmp_path: Path, *options: str) -> tuple[Product, Path, str]:
    """Return a running product whose mapping of riverside is wrong, that mapping's file, and what it should say."""
    overlay = tmp_path / "mappings"
    shutil.copytree(ROOT / "samples" / "mappings", overlay)
    site = overlay / "sites" / "riverside" / "site.toml"
    right = site.read_text()
    site.write_text(right.replace("policy    = { ", 'policy = { missing_accession = "reject", ') + WRONG)
    bridge = f'data = "{tmp_path / "data"}"\nmappings = "{overlay}"\ntime_zone = "UTC"'
    return make_product(bridge=bridge).start(*options), site, right


def replay(api: httpx2.Client, state: str, *, dry_run: bool = False) -> str:
    answer = api.post("/api/messages/replay", json={"filter": {"state": state, "type": "ORM"}, "dry_run": dry_run})
    assert answer.status_code == 202, answer.text
    return f"/api/replays/{answer.json()['id']}"


def ended(api: httpx2.Client, address: str) -> dict[str, object]:
    def look() -> dict[str, object] | None:
        said: dict[str, object] = api.get(address).json()
        return said if said["state"] == "done" else None

    return wait_for(look, "the replay to end", 120)


def test_a_mapping_is_mended_and_the_day_replayed_without_a_restart(
    make_product: Callable[..., Product], tmp_path: Path
) -> None:
    product, site, right = prepare(make_product, tmp_path)
    token = product.token("it")
    api = product.api(token)
    answers = product.say(adt(PLAIN), *(order(PLAIN, f"R{n}") for n in range(COUNT)))
    assert [b"MSA|AE|" in answer for answer in answers] == [False] + [True] * COUNT
    assert ended(api, replay(api, "refused", dry_run=True))["changed"] == 0

    site.write_text(right + "\nfrom = nonsense\n")
    broken = api.post("/api/messages/replay", json={"filter": {"state": "refused"}})
    assert (broken.status_code, broken.json()["code"]) == (409, "mapping_faults")
    site.write_text(right)
    assert ended(api, replay(api, "refused", dry_run=True))["changed"] == COUNT

    heard = (b"MSA|AA|" in product.say(order(PLAIN, f"S{n}"))[0] for n in itertools.count())
    wait_for(lambda: next(heard), "the listener to read by the mended mapping")
    assert any(line["event"] == "mappings_reloaded" for line in log_lines(product))

    address = replay(api, "refused")
    wait_for(lambda: api.get(address).json()["done"] >= 20, "the replay to get going", 60)
    os.kill(product.pid, signal.SIGKILL)
    product.wait()
    api = product.start().api(token)
    done = ended(api, address)
    assert (done["done"], done["refused"], done["failed"]) == (done["applied"], 0, 0)
    assert done["done"] == done["total"]
    assert api.get("/api/messages", params={"state": "refused"}).json()["messages"] == []
    items = api.get("/api/worklist", params={"limit": "200"}).json()["items"]
    assert {f"R{n}" for n in range(COUNT)} <= {item["accession_number"] for item in items}
    assert len(items) == len({item["accession_number"] for item in items})

    assert b"MSA|AA|" in product.say(order(PLAIN, "R999"))[0]
    assert not [line for line in log_lines(product) if PLAIN.name in str(line)]


def test_a_terminal_replays_by_filter(make_product: Callable[..., Product], tmp_path: Path) -> None:
    product, site, right = prepare(make_product, tmp_path, "--roles", "hl7")
    product.say(adt(PLAIN), order(PLAIN, "T1"), order(PLAIN, "T2"))
    asked = ("replay", "--filter", "state=refused", "--filter", "type=ORM^O01")
    tried = product.command(*asked, "--dry-run")
    assert (tried.returncode, "would change 0" in tried.stdout) == (1, True)
    site.write_text(right)
    assert "would change 2" in product.command(*asked, "--dry-run").stdout
    done = product.command(*asked)
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "applied 2, refused 0, failed 0")
    assert product.command("replay").returncode == 1
    assert product.command("replay", "--filter", "colour=red").returncode == 1
    assert product.command("replay", "1").stdout.strip() == "1: applied"
