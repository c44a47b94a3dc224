"""Other registries are asked about studies that nobody here is known for: over real sockets, by rule, never binding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from bridge.building.outside import askers
from bridge.clock import FixedClock
from bridge.domain.outside import AnswerState
from bridge.domain.study import Study, StudyState
from bridge.errors import Conflict
from bridge.flows.ask_outside import OutsideAsker, ask_again
from bridge.store import audit, cross_references, outside_questions
from bridge.store.outside_questions import Asked
from bridge.store.tables import decisions, events, patients
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, renamed, spooled
from tests.fakes.mllp_peer import Peer, open_peer
from tests.fakes.patient_registry import Known, PatientRegistry
from tests.flows.asking import say, study_by_uid

FIRST, SECOND = "2.25.8001", "2.25.8002"
OURS, THEIRS = ("00041001", "RIVERSIDE"), ("S-77", "SUMMIT")
SUMMIT = {"name": "SUMMIT", "oid": "1.2.3.77", "system": "urn:oid:1.2.3.77"}
RIVERSIDE = {"name": "RIVERSIDE", "oid": "1.2.3.4", "system": "urn:oid:1.2.3.4"}


@dataclass
class World:
    """A house, whom it asks, and the clock that both stand by."""

    house: House
    clock: FixedClock
    registry: PatientRegistry
    ehr: StrictEhr
    peer: Peer
    askers: list[OutsideAsker] = field(default_factory=list)

    def ask(self) -> None:
        """Let the worker ask everything that is due."""
        for asker in self.askers or askers(self.house):
            while asker.work():
                pass

    def later(self, **ahead: float) -> None:
        self.clock.at += timedelta(**ahead)

    def study(self, uid: str = FIRST) -> Study:
        return study_by_uid(self.house.store, uid)

    def question(self, uid: str = FIRST) -> Asked:
        with self.house.store.read() as tx:
            (found,) = outside_questions.of_study(tx, self.study(uid).key)
        return found


MakeWorld = Callable[..., World]
# What goes wrong on the wire is the same on either database.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def strict_ehr() -> Iterator[StrictEhr]:
    server = StrictEhr(slow_secs=2.0).start()
    yield server
    server.stop()


@pytest.fixture
def world(make_house: Callable[..., House], strict_ehr: StrictEhr) -> Iterator[MakeWorld]:
    with ExitStack() as stack:

        def make(*kinds: str, fhir: bool = False, **settings: Any) -> World:
            registry, clock = PatientRegistry(), FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
            peer = stack.enter_context(open_peer(registry.script))
            hl7 = {"name": "mpi", "host": "127.0.0.1", "port": peer.port, "ask": kinds, "timeout_secs": 3}
            server = {"name": "exchange", "base_url": strict_ehr.base_url, "timeout_secs": 3}
            outside = {"hl7": [hl7] if kinds else [], "fhir": [server] if fhir else []} | settings
            house = make_house(
                clock, outside=outside, identity={"authority": "RIVERSIDE", "authorities": [RIVERSIDE, SUMMIT]}
            )
            strict_ehr.books.clear()
            strict_ehr.misbehave("ok")
            made = World(house, clock, registry, strict_ehr, peer)
            made.askers = askers(house)
            return made

        yield make


def foreign(uid: str = FIRST, person: Person = PLAIN, number: int = 1, patient_id: str = THEIRS[0]) -> Dataset:
    """Return an image of *person* as SUMMIT made it."""
    dataset = image(person, "", number, study=uid)
    dataset.PatientID, dataset.IssuerOfPatientID = patient_id, THEIRS[1]
    return dataset


def ours(uid: str, person: Person) -> Dataset:
    """Return an image of *person* as a device of ours made it, without an order."""
    return image(person, "", study=uid)


def receive(world: World, *datasets: Dataset) -> None:
    for dataset in datasets:
        world.house.instances.receive(spooled(world.house, dataset))


def put_patient(world: World, person: Person, *numbers: tuple[str, str], **more: Any) -> str:
    """Let the FHIR server know somebody; return the id there."""
    systems = {"RIVERSIDE": RIVERSIDE["system"], "SUMMIT": SUMMIT["system"]}
    family, given = person.name.split("^")
    born = person.birth_date
    resource = {
        "resourceType": "Patient",
        "identifier": [{"system": systems[authority], "value": number} for number, authority in numbers],
        "name": [{"family": family, "given": [given]}],
        "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:]}",
        "gender": "female" if person.sex == "F" else "male",
    } | more
    return str(world.ehr.books.create(resource)[1]["id"])


def count_patients(world: World) -> int:
    with world.house.store.read() as tx:
        return len(tx.execute(patients.select()).all())


def test_a_number_that_pix_knows_is_learned_with_its_source_and_the_rules_bind(world: MakeWorld) -> None:
    here = world("PIX")
    say(here.house, adt(PLAIN))
    here.registry.people = [Known(PLAIN, (OURS, THEIRS))]
    receive(here, foreign())
    assert here.study().rule == "V07"
    here.ask()
    study = here.study()
    assert (study.rule, study.decided_by) == ("B04", "B04")
    assert (here.question().state, here.question().patient_key) == (AnswerState.FOUND, study.patient_key)
    with here.house.store.read() as tx:
        (learned,) = cross_references.of_patient(tx, [study.patient_key or 0])
    assert (learned.identifier.key, learned.source) == ((THEIRS[1], THEIRS[0]), "outside:mpi")


def test_whom_pdq_names_is_registered_as_by_registration_and_the_rules_bind(world: MakeWorld) -> None:
    here = world("PIX", "PDQ")
    here.registry.people = [Known(PLAIN, (OURS, THEIRS))]
    receive(here, foreign())
    assert here.study().rule == "V04"
    here.ask()
    study = here.study()
    assert study.rule == "B04"
    assert [query[1].split("^")[0] for query in here.registry.asked] == ["Q23", "Q22"]


def test_a_number_of_ours_that_nobody_here_has_is_asked_for(world: MakeWorld) -> None:
    here = world("PDQ")
    here.registry.people = [Known(PLAIN, (OURS,))]
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    assert here.study().rule == "B03"


def test_an_answer_does_not_overrule_a_veto(world: MakeWorld) -> None:
    here = world("PIX", "PDQ")
    say(here.house, adt(PLAIN), adt(NEAR_TWIN))
    here.registry.people = [Known(NEAR_TWIN, (("00041002", "RIVERSIDE"), THEIRS))]
    receive(here, foreign())
    here.ask()
    assert (here.study().state, here.study().rule) == (StudyState.REVIEW, "V08")
    assert here.question().state == AnswerState.FOUND


def test_whom_a_name_alone_finds_is_a_candidate_and_never_bound(world: MakeWorld) -> None:
    here = world("PDQ")
    here.registry.people = [Known(PLAIN, (OURS,))]
    nameless = foreign(patient_id="")
    receive(here, nameless)
    here.ask()
    study = here.study()
    assert (study.state, study.rule) == (StudyState.REVIEW, "V07")
    with here.house.store.read() as tx:
        newest = tx.execute(decisions.select().order_by(decisions.c.key.desc())).first()
    assert newest is not None
    assert [one["patient_key"] for one in newest.candidates] == [here.question().patient_key]


def test_a_fhir_server_is_asked_by_number_past_merges(world: MakeWorld) -> None:
    here = world(fhir=True)
    survivor = put_patient(here, PLAIN, OURS)
    link = [{"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}]
    put_patient(here, PLAIN, THEIRS, active=False, link=link)
    receive(here, foreign())
    here.ask()
    assert here.study().rule == "B04"


@on_one_database
def test_only_one_certain_match_counts(world: MakeWorld) -> None:
    here = world(fhir=True)
    put_patient(here, renamed(PLAIN, PLAIN.name, "19580313"), OURS)
    receive(here, foreign())
    here.ask()
    assert here.question().state == AnswerState.NOBODY
    put_patient(here, PLAIN, ("00041009", "RIVERSIDE"))
    receive(here, foreign(SECOND, patient_id="S-78"))
    here.ask()
    assert here.question(SECOND).state == AnswerState.FOUND
    assert (here.study(SECOND).state, here.study(SECOND).rule) == (StudyState.REVIEW, "V07")
    put_patient(here, PLAIN, ("00041010", "RIVERSIDE"))
    receive(here, foreign("2.25.8003", patient_id="S-79"))
    here.ask()
    assert here.question("2.25.8003").state == AnswerState.SEVERAL


def test_two_hundred_images_are_one_question_and_another_study_shares_its_answer(world: MakeWorld) -> None:
    here = world("PIX", "PDQ")
    receive(here, *(foreign(number=number) for number in range(1, 6)), foreign(SECOND))
    here.ask()
    assert len(here.registry.asked) == 2  # PIX, then PDQ: once for both studies.
    assert [here.question(uid).state for uid in (FIRST, SECOND)] == [AnswerState.NOBODY] * 2
    here.later(hours=5)
    receive(here, foreign("2.25.8003"))
    here.ask()
    assert len(here.registry.asked) == 4


@on_one_database
def test_silence_leaves_the_study_where_it_is_and_is_asked_again_a_few_times(world: MakeWorld) -> None:
    here = world("PDQ", attempts=2)
    here.registry.spoil = lambda answer: None
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    asked = here.question()
    assert (asked.state, asked.attempts, asked.asked_at) == (AnswerState.WAITING, 1, here.clock.now())
    assert asked.sentence == "no answer within 3 s"
    here.later(minutes=1)
    here.ask()
    assert here.question().state == AnswerState.NO_ANSWER
    here.later(days=1)
    here.ask()
    assert len(here.registry.asked) == 2
    assert here.study().state == StudyState.QUARANTINE
    with here.house.store.read() as tx:
        told = [row.what for row in tx.execute(events.select()) if row.by == "mpi"]
    assert told == ["Asked mpi who this is: no answer within 3 s"]


def test_a_person_asks_again_past_what_is_remembered(world: MakeWorld) -> None:
    here = world("PDQ")
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    assert here.question().state == AnswerState.NOBODY
    here.registry.people = [Known(PLAIN, (OURS,))]
    ask_again(here.house.store, here.clock, ("mpi",), FIRST, "user:maria")
    here.ask()
    assert here.study().rule == "B03"
    with here.house.store.read() as tx:
        actors = {(row.action, row.actor) for row in audit.recent(tx, limit=20) if row.action.startswith("outside")}
    assert {
        ("outside_asked", "system"),
        ("outside_asked_again", "user:maria"),
        ("outside_asked", "user:maria"),
    } <= actors
    with pytest.raises(Conflict):
        ask_again(here.house.store, here.clock, ("mpi",), FIRST, "user:maria")


@on_one_database
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda raw: raw.replace(b"QAK|", b"QAK|X"), "the answer is about another query"),
        (lambda raw: raw.replace(b"RSP^K22", b"RSP^K23"), "answered with something else than RSP^K22"),
        (lambda raw: raw.replace(b"00041001^", b"00049999^"), "answered with another patient than was asked for"),
        (lambda raw: raw.replace(b"|OK\r", b"|AE\r"), "the query was not carried out (AE)"),
        (lambda raw: raw.replace(b"MSA|AA", b"MSA|AR"), "such a query is not served there"),
        (lambda raw: raw.replace(b"PID|1||", b"PID|1||||"), "required value missing"),
        (lambda raw: raw + raw[raw.index(b"PID|") :] * 11, "more patients than were asked for"),
        (lambda raw: raw + b"DSC|more|I\r", "more patients fit than one answer holds"),
    ],
)
def test_an_answer_that_is_none_is_refused_and_nothing_enters(
    world: MakeWorld, spoil: Callable[[bytes], bytes], said: str
) -> None:
    here = world("PDQ")
    here.registry.people, here.registry.spoil = [Known(PLAIN, (OURS,))], spoil
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    assert (here.question().state, here.question().sentence) == (AnswerState.REFUSED, said)
    assert (count_patients(here), here.study().state) == (0, StudyState.QUARANTINE)


@on_one_database
@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b"MSA|AA|", b"MSA|AA|X"),
        lambda raw: b"no message at all",
        lambda raw: raw + b"NTE|1||" + b"x" * (2 << 20) + b"\r",
    ],
)
def test_an_answer_that_cannot_be_read_is_none(world: MakeWorld, spoil: Callable[[bytes], bytes]) -> None:
    here = world("PDQ", attempts=1)
    here.registry.people, here.registry.spoil = [Known(PLAIN, (OURS,))], spoil
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    assert (here.question().state, count_patients(here)) == (AnswerState.NO_ANSWER, 0)


@on_one_database
@pytest.mark.parametrize("mode", ["garbage", "redirect", "huge", "hang", "503", "truncated"])
def test_a_fhir_server_that_misbehaves_leaves_the_study_where_it_is(world: MakeWorld, mode: str) -> None:
    here = world(fhir=True, attempts=1)
    put_patient(here, PLAIN, OURS)
    here.ehr.misbehave(mode)
    receive(here, ours(FIRST, PLAIN))
    here.ask()
    assert (here.question().state, count_patients(here)) == (AnswerState.NO_ANSWER, 0)


@on_one_database
def test_an_answer_that_turns_a_patient_of_ours_into_another_person_is_refused(world: MakeWorld) -> None:
    here = world("PIX", "PDQ")
    say(here.house, adt(PLAIN))
    here.registry.people = [Known(Person(OURS[0], STRANGER.name, STRANGER.birth_date, "M"), (OURS, THEIRS))]
    receive(here, foreign())
    here.ask()
    assert here.question().state == AnswerState.REFUSED
    with here.house.store.read() as tx:
        assert cross_references.of_patient(tx, [1]) == []


@on_one_database
def test_a_study_that_was_decided_meanwhile_is_not_asked_about(world: MakeWorld) -> None:
    here = world("PDQ")
    receive(here, ours(FIRST, PLAIN))
    say(here.house, adt(PLAIN))
    here.ask()
    assert here.question().state == AnswerState.UNNEEDED
    assert here.registry.asked == []
