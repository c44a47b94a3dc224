"""Whatever happens on the whole way from a device to a payer: charts hold what is bound, and nothing leaves that a person did not let go.

Run for long by `make campaign`: 1,000 stories, 300 more on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.lent_databases import LentDatabases
from tests.property.identity_world import ACCESSIONS
from tests.property.leaving_sight import Sight
from tests.property.leaving_world import PAYERS, LeavingWorld
from tests.property.stories import LIMIT_SECS, tell_stories, world_of

WHO = st.sampled_from(["plain", "twin", "stranger"])
ACCESSION = st.sampled_from(ACCESSIONS[:2])
STUDY = st.sampled_from(["of A1", "of A1", "of A2"])
NUMBER = st.integers(0, 3)
PA = st.sampled_from(sorted(PAYERS))
MODES = ("commit-then-reset", "commit-then-500", "500", "503", "429", "409", "412", "410", "400", "404", "truncated")
MODE = st.sampled_from([*MODES, "empty", "garbage", "deaf"])
PLACE = st.sampled_from(["ehr", "ehr", "acme", "delta", "beta", "eastlink"])
AT = st.integers(1, 24)


def deeds() -> st.SearchStrategy[tuple[Any, ...]]:
    """What changes whose something is, or whether it may leave."""
    just = st.just
    return st.one_of(
        st.tuples(just("merged"), WHO, WHO),
        st.tuples(just("unmerged"), NUMBER),
        st.tuples(just("visit_moved"), ACCESSION, WHO, WHO),
        st.tuples(just("ordered"), ACCESSION, WHO, st.sampled_from(["XO", "CA", "NW"])),
        st.tuples(just("renamed"), WHO, WHO),
        st.tuples(just("given"), STUDY, WHO),
        st.tuples(just("ruled"), STUDY, st.sampled_from(["unbind", "reject", "reopen", "restore"])),
        st.tuples(just("noted"), STUDY, st.sampled_from(["113001", "113037", "113039"]), st.booleans()),
        st.tuples(just("rejection_decided"), NUMBER, st.sampled_from(["undo", "apply"])),
        st.tuples(just("discontinued"), STUDY),
        st.tuples(just("imaged"), STUDY, WHO, WHO, ACCESSION),
        st.tuples(just("parted"), STUDY),
        st.tuples(just("joined"), NUMBER),
        st.tuples(just("attached"), PA, STUDY, NUMBER, st.sampled_from(["", "last", "first"]), just("")),
        st.tuples(just("released"), NUMBER),
        st.tuples(just("put_away"), STUDY, st.booleans()),
        st.tuples(just("written_there")),
        st.tuples(just("taken_over")),
    )


class Leaving(RuleBasedStateMachine):
    """A story. world: shared by all stories of a run."""

    world: LeavingWorld

    @initialize(whose=st.tuples(WHO, WHO), under=st.lists(st.tuples(PA, WHO), max_size=2, unique_by=lambda one: one[0]))
    def begin(self, whose: tuple[str, str], under: list[tuple[str, str]]) -> None:
        self.world.begin()
        self.sight = Sight(self.world)
        for who in ("plain", "twin", "stranger"):
            self.world.do("registered", who)
        for accession, who in zip(("A1", "A2"), whose, strict=True):
            self.world.do("ordered", accession, who, "NW")
        for _ in range(2):
            self.world.do("imaged", "of A1", whose[0], whose[0], "A1")
        self.world.do("authorized", "PA1", whose[0], "A1")
        for number, who in under:
            self.world.do("authorized", number, who, "")
        self.world.do("worked")

    @rule(number=PA, who=WHO, accession=st.sampled_from(["", "A1", "A2"]))
    def an_authorization_is_typed(self, number: str, who: str, accession: str) -> None:
        self.world.do("authorized", number, who, accession)

    @rule(deed=deeds())
    def something_happens(self, deed: tuple[Any, ...]) -> None:
        self.world.do(*deed)

    @rule(deed=deeds(), at=AT)
    def something_happens_in_the_midst(self, deed: tuple[Any, ...], at: int) -> None:
        self.world.do("meddled", at, *deed)

    @rule(
        number=PA,
        study=STUDY,
        way=NUMBER,
        which=st.sampled_from(["", "last", "first"]),
        payer=st.sampled_from(["", "", "delta"]),
    )
    def images_are_attached(self, number: str, study: str, way: int, which: str, payer: str) -> None:
        self.world.do("attached", number, study, way, which, payer)
        self.world.do("worked")

    @rule(number=NUMBER)
    def a_person_lets_it_go(self, number: int) -> None:
        self.world.do("worked")
        self.world.do("released", number)

    @rule(
        number=PA,
        way=NUMBER,
        which=st.sampled_from(["", "last"]),
        payer=st.sampled_from(["", "", "delta"]),
        at=AT,
        deed=deeds(),
    )
    def it_is_attached_let_go_and_something_happens(
        self, number: str, way: int, which: str, payer: str, at: int, deed: tuple[Any, ...]
    ) -> None:
        self.world.do("attached", number, "of A1", way, which, payer)
        self.world.do("worked")
        for each in range(4):
            self.world.do("released", each)
        self.world.do("meddled", at, *deed)

    @rule(deed=deeds())
    def two_nodes_work_while_something_happens(self, deed: tuple[Any, ...]) -> None:
        self.world.do("at_once", *deed)

    @rule(deed=st.sampled_from(["backed_up", "restored"]))
    def a_backup_is_made_or_laid_out(self, deed: str) -> None:
        self.world.do(deed)

    @rule(number=PA, pair=st.permutations(["plain", "twin", "stranger"]), at=AT)
    def it_left_for_an_authorization_that_came_by_a_merge(self, number: str, pair: list[str], at: int) -> None:
        self.world.do("authorized", number, pair[1], "")
        merges = self.world.desk.count("merges")
        self.world.do("merged", pair[0], pair[1])
        self.world.do("attached", number, "of A1", at, "", "")
        self.world.do("worked")
        for each in range(3):
            self.world.do("released", each)
        self.world.do("meddled", at, "unmerged", merges)
        self.world.do("unmerged", merges)

    @rule(number=NUMBER)
    def a_payer_is_asked(self, number: int) -> None:
        self.world.do("told", number)

    @rule(place=PLACE, mode=MODE, count=st.integers(1, 3))
    def somebody_misbehaves(self, place: str, mode: str, count: int) -> None:
        self.world.do("misbehaved", place, mode, count)

    @rule(at=AT, when=st.sampled_from(["before", "after"]))
    def the_machine_ends(self, at: int, when: str) -> None:
        self.world.do("died", at, when)

    @rule()
    def the_worker_comes(self) -> None:
        self.world.do("worked")

    @rule()
    def everything_comes_to_rest(self) -> None:
        self.world.do("rested")
        if not self.world.was_restored:
            # After a restore the other sides are ahead: what stands there is for a person to look at.
            self.sight.charts_hold_what_is_bound()
            self.sight.claims_name_what_is_theirs()
        self.sight.what_is_wrong_outside_asks_a_person()
        self.sight.what_left_as_anothers_is_an_incident()

    @invariant()
    def nothing_leaves_that_may_not(self) -> None:
        assert self.world.wrong == []
        self.sight.every_leaving_is_an_export()

    def teardown(self) -> None:
        if hasattr(self, "sight"):
            self.everything_comes_to_rest()
            self.nothing_leaves_that_may_not()
            assert set(self.world.acknowledged) <= set(self.world.kept()), "what was acknowledged is lost"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[LeavingWorld]:
    if request.param == "sqlite":
        with world_of(LeavingWorld) as found:
            yield found
        return
    databases: LentDatabases = request.getfixturevalue("lent_databases")
    name = databases.lend()
    with world_of(partial(LeavingWorld, database=databases.url(name))) as found:
        yield found
    databases.take_back(name)


@pytest.mark.timeout(LIMIT_SECS)
def test_no_story_lets_anything_leave_that_nobody_let_go(world: LeavingWorld) -> None:
    campaign, otherwise = (1000, 8) if world.house.store.is_sqlite else (300, 3)
    tell_stories(Leaving, world, campaign=campaign, deeds=24, otherwise=otherwise)
