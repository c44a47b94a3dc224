"""The role web: console, REST, FHIR and DICOMweb."""

from __future__ import annotations

from collections.abc import Mapping

from bridge import __version__
from bridge.building.news import peer_desks
from bridge.building.viewing import view_desks
from bridge.building.web_flows import object_server, part_storer, web_flows, workitem_services
from bridge.flows.keep_pictures import PictureSweep
from bridge.web.app import create_app
from bridge.web.server import HttpServer
from bridge.web.services import WebServices
from bridge.wiring import House, Role


class WebRole:
    """Console, REST, FHIR and DICOMweb."""

    def __init__(self, house: House) -> None:
        self._house = house
        services = WebServices(
            settings=house.settings,
            store=house.store,
            clock=house.clock,
            flows=web_flows(house),
            peers=peer_desks(house),
            viewing=view_desks(house),
            blobs=house.blobs,
            search=house.search,
            pictures=house.pictures,
            objects=object_server(house),
            parts=part_storer(house),
            workitems=workitem_services(house),
            is_demo=house.is_demo,
            version=__version__,
            oncology=house.rules.oncology,
        )
        self._picture_sweep = PictureSweep(house.store, house.pictures)
        self._server = HttpServer(create_app(services), house.settings.http)

    def start(self) -> None:
        self._house.mapping_watch.start()
        self._house.message_queue.start()
        self._picture_sweep.start()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._picture_sweep.stop()
        self._house.pictures.close()
        self._house.message_queue.stop()
        self._house.mapping_watch.stop()

    @property
    def is_alive(self) -> bool:
        running = (self._server.is_alive, self._house.message_queue.is_alive, self._picture_sweep.is_alive)
        return all(running) and not self._house.store.is_failing

    @property
    def addresses(self) -> Mapping[str, str]:
        http = self._house.settings.http
        scheme = "https" if http.tls is not None else "http"
        return {"http": f"{scheme}://{http.host}:{self._server.port}/"}


def make(house: House) -> Role:
    """Build the role over *house*."""
    return WebRole(house)
