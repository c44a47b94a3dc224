"""Starts that must refuse, and what a refusal says; a role that dies comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil
import pytest

from bridge.errors import Unavailable
from tests.cast import PLAIN, adt
from tests.product.running import Product, free_port, log_lines, wait_for


def test_every_fault_of_the_settings_is_said_at_once(make_product: Callable[..., Product]) -> None:
    product = make_product(hl7="prot = 1", bridge='data = "x"\ntime_zone = "Mars/Olympus"')
    done = product.command("serve")
    assert done.returncode == 2
    assert "hl7.prot: unknown key, did you mean 'port'?" in done.stderr
    assert "bridge.time_zone: no such time zone" in done.stderr


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"hl7": 'host = "0.0.0.0"\nport = 0'}, "hl7: plain MLLP beyond loopback"),
        ({"hl7": 'host = "0.0.0.0"\nport = 0\nplain_from = ["10.0.0.0/8"]\nsenders = "any"'}, "hl7.senders"),
        ({"dicom": 'host = "0.0.0.0"\nport = 0'}, "dicom: plain DICOM beyond loopback"),
        ({"dicom": 'host = "0.0.0.0"\nport = 0\nplain_from = ["10.0.0.0/8"]\ncallers = "any"'}, "dicom.callers"),
        ({"http": 'host = "0.0.0.0"\nport = 0'}, "http: a console beyond loopback"),
        ({"hl7": 'host = "0.0.0.0"\nport = 0\nplain_from = ["10.0.0.0/8"]'}, "needs an administrator"),
    ],
)
def test_an_unsafe_start_refuses_with_a_line(
    make_product: Callable[..., Product], sections: dict[str, str], says: str
) -> None:
    done = make_product(**sections).command("serve")
    assert done.returncode == 2
    assert says in done.stderr


def test_a_bad_mapping_stops_the_start(make_product: Callable[..., Product]) -> None:
    product = make_product()
    site = product.folder / "mappings" / "sites" / "mercy" / "site.toml"
    site.parent.mkdir(parents=True)
    site.write_text('schema = 1\nextends = "base"\nmatch = { sending_facility = "MERCY" }\nauthorty = "M"\n', "utf-8")
    text = product.config.read_text("utf-8")
    product.config.write_text(
        "\n".join(
            f'mappings = "{product.folder / "mappings"}"' if line.startswith("mappings") else line
            for line in text.splitlines()
        ),
        "utf-8",
    )
    done = product.command("check")
    assert done.returncode == 2
    assert "authorty" in done.stderr
    assert "authority" in done.stderr


def test_a_first_start_offers_a_link_and_no_default_password(make_product: Callable[..., Product]) -> None:
    product = make_product().start("--roles", "web")
    (link,) = [line for line in product.stdout if line.startswith("sign in")]
    assert "/sign-in/" in link
    assert product.api("none").get("/api/exams").status_code == 401


def test_a_role_that_dies_is_started_again(make_product: Callable[..., Product]) -> None:
    port = free_port()
    product = make_product(hl7=f"port = {port}").start("--roles", "hl7,worker")
    (listening,) = [child for child in psutil.Process(product.pid).children() if _listens(child, port)]
    listening.send_signal(signal.SIGKILL)
    wait_for(lambda: any(line["event"] == "role_restarted" for line in log_lines(product)), "the restart")

    def answered() -> bool:
        try:
            return b"MSA|AA" in product.say(adt(PLAIN))[0]
        except Unavailable:
            return False

    assert wait_for(answered, "an answer after the restart", 60)


def _listens(process: psutil.Process, port: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections())
