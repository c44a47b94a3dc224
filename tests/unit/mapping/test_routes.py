"""routes.toml as a site writes it, and what is said of one that is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.domain.routing import Routes
from bridge.errors import Misconfigured
from bridge.mapping.routes import load_routes

SHIPPED = Path(__file__).parents[3] / "mappings"
KNOWN = ("PACS", "ARCH2", "VIEW1", "TELERAD", "cloud")


def load(folder: Path, text: str) -> Routes:
    (folder / "routes.toml").write_text(text, "utf-8")
    return load_routes(SHIPPED, folder, KNOWN)


def test_the_shipped_file_has_no_route() -> None:
    assert load_routes(SHIPPED, None, ()) == Routes()


def test_a_route_says_where_to_and_when(tmp_path: Path) -> None:
    routes = load(
        tmp_path,
        """
        schema = 1
        look_back_hours = 24
        [[routes]]
        name = "nights"
        to   = ["TELERAD", "cloud"]
        when = { modality = ["CT", "MR"], hours = "18:00-07:00", weekdays = ["sat"], priority = "STAT" }
        unless  = { institution = "Mercy West" }
        objects = { kind = "image" }
        delay_minutes = 5
        send_between  = "19:00-06:00"
        priority = "high"
        last = true
        """,
    )
    (route,) = routes.routes
    assert (route.name, route.to, route.is_last, route.urgency) == ("nights", ("TELERAD", "cloud"), True, "high")
    assert (route.when.modality, route.when.priority, str(route.when.hours)) == (
        ("CT", "MR"),
        ("STAT",),
        "18:00-07:00 sat",
    )
    assert (route.unless.institution, route.objects.kind) == (("Mercy West",), ("image",))
    assert (route.delay, str(route.between)) == (timedelta(minutes=5), "19:00-06:00")
    assert routes.look_back == timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[routes]]\nname = "r"\nto = "PAKS"', "did you mean 'PACS'"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nwen = {}', "did you mean 'when'"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nwhen = { modalty = "CT" }', "did you mean 'modality'"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nobjects = { kind = "images" }', "did you mean 'image'"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nwhen = { weekdays = ["saturday"] }', "'saturday' is not known"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nwhen = { hours = "18-7" }', "must be hours as 18:00-07:00"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nwhen = { modality = 7 }', "must be a text or a list of texts"),
        ('[[routes]]\nname = "r"\nto = "PACS"\npriority = "urgent"', "'urgent' is not known"),
        ('[[routes]]\nname = "r"\nto = "PACS"\ndelay_minutes = -1', "must be a number from 0"),
        ('[[routes]]\nname = "r"\nto = "PACS"\nlast = "yes"', "must be true or false"),
        ('[[routes]]\nname = "r"', "must say where to"),
        ('[[routes]]\nto = "PACS"', "every route has a name"),
        ('[[routes]]\nname = "r"\nto = "PACS"\n[[routes]]\nname = "r"\nto = "ARCH2"', "the name of two routes"),
        ('[[route]]\nname = "r"\nto = "PACS"', "did you mean 'routes'"),
        ("routes = 1", "each route stands under [[routes]]"),
        ("schema = 2", "must be 1"),
        ("routes = [", "routes.toml"),
    ],
)
def test_a_fault_names_its_place_and_the_nearest_right_word(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, text)
    assert said in "\n".join(caught.value.faults)
