"""What opens views for those who come from a chart, or by a link, joined to one house."""

from __future__ import annotations

from bridge import safety
from bridge.flows.enter_console import ConsoleDoor
from bridge.flows.make_viewer_link import LinkDesk
from bridge.flows.open_view import LaunchedPatient, ViewDesk, WhoMay
from bridge.publishers.launch_client import LaunchClient
from bridge.sections.fhir import LaunchSection
from bridge.web.services import ViewDesks
from bridge.wiring import House


def view_desks(house: House) -> ViewDesks:
    """Return what opens views. Raises: Misconfigured, if a key or certificate of a launch cannot be used."""
    servers = house.settings.fhir.servers
    who_may = {one.name: _who_may(one.launch) for one in servers if one.launch is not None}
    launches = LaunchClient(
        servers,
        house.clock,
        lambda server: safety.caller_context(server.tls) if server.tls else None,
    )
    meant = LaunchedPatient(lambda: house.fhir_ground)
    views = ViewDesk(house.store, house.clock, who_may, meant)
    console = ConsoleDoor(house.store, house.clock, who_may, meant)
    return ViewDesks(views, launches, console, LinkDesk(house.store, house.clock))


def _who_may(launch: LaunchSection) -> WhoMay:
    return WhoMay(launch.users, launch.viewers, launch.console)
