"""A console over a house without listeners: people of every role, machines with tokens, and a day's rows to look at."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient

from bridge.building.news import peer_desks
from bridge.building.viewing import view_desks
from bridge.building.web_flows import object_server, part_storer, web_flows, workitem_services
from bridge.clock import FixedClock
from bridge.domain.accounts import Caller, Role
from bridge.domain.study import Study
from bridge.flows import manage_users, sign_in
from bridge.flows.receive_message import Received
from bridge.pictures.gallery import Pictures
from bridge.store import decisions
from bridge.store.db import Store
from bridge.web.app import create_app
from bridge.web.services import WebServices
from bridge.wiring import House
from tests.fakes.clinic import Clinic

PASSWORD = "wandering-otter-42"
COOKIE = "ib_session"

ORDER = "\r".join(
    (
        r"MSH|^~\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|20260302140000||OMG^O19^OMG_O19|{control_id}|P|2.5.1",
        "PID|1||{patient_id}^^^RIVERSIDE^MR||{name}||19580312|F",
        "PV1|1|O|IMG",
        "ORC|NW|P{number}^RIVEHR|F{number}^RIVRIS||SC||||20260302140000|||||||||CT1",
        "TQ1|1||||||20260302160000||R^Routine^HL70485",
        "OBR|1|P{number}^RIVEHR|F{number}^RIVRIS|71260^CT chest with contrast^C4|||||||||||||"
        "|{number}|RP{number}|SP{number}||||CT|||||||R91.1^Solitary pulmonary nodule^I10",
        "AUT|PPO1|60054|Acme Health Plan|20260302|20270101|PA{number}^ACME",
        "",
    )
)


class Console:
    """The application over *house*, with shortcuts. clock: stands still, as the clinic's. pictures: None for none."""

    def __init__(self, house: House, pictures: Pictures | None = None) -> None:
        self.house = house
        self.store: Store = house.store
        self.clinic = Clinic(house.store)
        assert isinstance(house.clock, FixedClock)
        self.clock = house.clock
        self.services = WebServices(
            settings=house.settings,
            store=house.store,
            clock=house.clock,
            flows=web_flows(house),
            peers=peer_desks(house),
            viewing=view_desks(house),
            blobs=house.blobs,
            search=house.search,
            objects=object_server(house),
            parts=part_storer(house),
            pictures=pictures or house.pictures,
            workitems=workitem_services(house),
            version="1",
        )
        self.app = create_app(self.services)

    def browser(self, role: Role = Role.ADMIN) -> FlaskClient:
        """Return a browser signed in as somebody of *role*."""
        link = manage_users.trusted_sign_in_link(self.store, self.clock, f"some-{role.value}", role)
        session_id = sign_in.sign_in_by_link(self.store, self.clock, link, "127.0.0.1").session_id
        client = self.app.test_client()
        client.set_cookie(COOKIE, session_id)
        return client

    def machine(self, role: Role = Role.ADMIN, *scopes: str) -> FlaskClient:
        """Return a program with a token of *role*."""
        token = manage_users.create_token(
            self.store, self.clock, f"a-{role.value}", role, scopes=scopes, actor="system"
        )
        client = self.app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return client

    def form_token(self, client: FlaskClient, page: str = "/") -> str:
        """Return what the forms of this browser send back."""
        html = client.get(page, follow_redirects=True).get_data(as_text=True)
        return html.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]

    def recognise(self, session_id: str, minutes: int = 15) -> Caller | None:
        found = sign_in.recognise_session(self.store, self.clock, session_id, timedelta(minutes=minutes))
        return found[0] if found is not None else None

    def order(self, number: str = "A1", name: str = "HALVORSEN^INGRID", patient_id: str = "00041001") -> bytes:
        """Send an order by HL7; returns the answer."""
        text = ORDER.format(number=number, name=name, patient_id=patient_id, control_id=f"C{number}")
        return self.house.receiver.receive([Received(text.encode(), "127.0.0.1")])[0]

    def images(self, uid: str) -> Study:
        """Let a study arrive that nobody has bound, with its case in the queue."""
        study = self.clinic.study(uid)
        with self.store.write() as tx:
            decisions.open_mismatch(tx, study.key, "V07", "Nobody could be found.", self.clock.now())
        return study
