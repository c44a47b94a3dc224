"""What becomes of objects after they are kept: read again, mended, swept, removed by rule, in a folder and in a bucket."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from bridge.building.shelf import removal_rule
from bridge.clock import FixedClock
from bridge.domain.study import Instance
from bridge.errors import Conflict, Incomplete, Unavailable
from bridge.flows import verify_objects
from bridge.flows.back_up import back_up, restore
from bridge.flows.correct_study import Correction, StudyCorrector
from bridge.flows.remove_archived import RemovalRule, hold_study, release_study, remove_archived, what_would_go
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.search_studies import Asker
from bridge.flows.sweep_objects import sweep_objects
from bridge.flows.verify_objects import ObjectVerifier, Pace
from bridge.store import audit, events, objects, retention, studies
from bridge.store.blobs import FolderBlobs, Place
from bridge.store.tables import deliveries, forwards, instances
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled, study_uid
from tests.fakes.s3_server import S3Server, blobs_in, s3_server
from tests.flows.asking import IMPLICIT, encode_query, say
from tests.flows.test_retrievals import Receiver, peer, receiving, retrieve, running, study_query, unbind

MakeHouse = Callable[..., House]
TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = TEN + timedelta(days=100)
PEERS = [
    {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
    {"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]},
    {"ae_title": "VNA", "host": "127.0.0.1", "port": 1, "roles": ["archive"]},
]
RULE = RemovalRule(after_days=30, archives=("PACS", "VNA"))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def house(request: pytest.FixtureRequest, make_house: MakeHouse, tmp_path: Path) -> House:
    made = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    if request.param == "s3":
        bucket = request.getfixturevalue("server").new_bucket()
        made.__dict__["blobs"] = blobs_in(bucket, tmp_path / "data" / "blobs")
    say(made, adt(PLAIN), order(PLAIN, "A1"))
    return made


def receive(house: House, number: int = 1) -> Instance:
    sent = spooled(house, image(PLAIN, "A1", number))
    house.instances.receive(sent)
    with house.store.read() as tx:
        found = studies.instance_by_uid(tx, sent.affected_sop_instance_uid)
    assert found is not None
    return found


def verifier(house: House) -> ObjectVerifier:
    return ObjectVerifier(house.store, house.blobs, house.clock, Pace(30, 0), owner="test")


def spoil(house: House, blob: str, content: bytes = b"other bytes") -> None:
    """Put other bytes where *blob* lies."""
    house.blobs.drop(blob, Place.KEPT)
    if isinstance(house.blobs, FolderBlobs):
        house.blobs.path_of(blob).write_bytes(content)
    else:
        path = house.blobs.spool / "spoilt"
        path.write_bytes(content)
        house.blobs.keep(path, blob)
        house.blobs.cache.forget(blob)  # type: ignore[attr-defined]


def lying(house: House, place: Place) -> list[str]:
    return sorted(one.blob for one in house.blobs.listed(place))


def actions(house: House) -> list[str]:
    with house.store.read() as tx:
        return [row.action for row in audit.recent(tx, limit=50)]


def test_objects_that_are_as_received_pass_and_the_reading_is_on_record(house: House) -> None:
    receive(house, 1), receive(house, 2)
    done = verifier(house).read_all()
    assert (done.objects, done.read_objects, done.damaged) == (2, 2, 0)
    assert done.finished_at == TEN
    assert done.read_bytes > 1000
    with house.store.read() as tx:
        assert objects.last_finished_pass(tx) == done


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_damaged_object_is_told_set_aside_and_served_to_nobody(house: House, how: str) -> None:
    kept, sound = receive(house, 1), receive(house, 2)
    house.blobs.drop(kept.blob, Place.KEPT) if how == "missing" else spoil(house, kept.blob)
    assert verifier(house).read_all().damaged == 1
    with house.store.read() as tx:
        (found,) = objects.damaged_list(tx, 10)
        assert objects.damaged_of_study(tx, kept.study_key) == 1
        assert any("damaged" in event.what for event in events.timeline(tx, [], [kept.study_key]))
    assert (found.blob, found.damage, found.sop_instance_uid) == (kept.blob, how, kept.sop_instance_uid)
    assert "object_damaged" in actions(house)
    with pytest.raises(Unavailable) as refused, house.blobs.at_hand(kept.blob):
        pass
    assert refused.value.code == "object_damaged"
    with house.blobs.at_hand(sound.blob) as path:
        assert path.stat().st_size == sound.size_bytes
    assert lying(house, Place.DAMAGED) == ([kept.blob] if how == "changed" else [])


def test_the_same_damage_is_told_once(house: House) -> None:
    spoil(house, receive(house).blob)
    verifier(house).read_all(), verifier(house).read_all()
    assert actions(house).count("object_damaged") == 1


def test_a_damaged_object_is_mended_by_the_same_object_arriving_again(house: House) -> None:
    kept = receive(house)
    spoil(house, kept.blob)
    verifier(house).read_all()
    assert receive(house) == kept
    with house.blobs.at_hand(kept.blob) as path:
        assert path.stat().st_size == kept.size_bytes
    with house.store.read() as tx:
        assert objects.count_damaged(tx) == 0
    assert "object_restored" in actions(house)
    assert verifier(house).read_all().damaged == 0


def test_what_was_set_aside_and_reads_well_again_comes_back_by_itself(house: House) -> None:
    kept = receive(house)
    house.blobs.move(kept.blob, Place.KEPT, Place.DAMAGED)
    with house.store.write() as tx:
        objects.put_damaged(tx, kept.blob, "unreadable", TEN)
    verifier(house).read_all()
    with house.store.read() as tx:
        assert objects.count_damaged(tx) == 0
    assert lying(house, Place.DAMAGED) == []
    assert lying(house, Place.KEPT) == [kept.blob]


def test_a_disk_that_cannot_read_an_object_is_told_as_that(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(FixedClock(TEN))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)

    def fail(blob: str, place: Place = Place.KEPT) -> Iterator[bytes]:
        if place == Place.KEPT:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        raise FileNotFoundError
        yield b""

    monkeypatch.setattr(house.blobs, "read", fail)
    assert verifier(house).read_all().damaged == 1
    with house.store.read() as tx:
        assert [one.damage for one in objects.damaged_list(tx, 5)] == ["unreadable"]
    with pytest.raises(Unavailable), house.blobs.at_hand(kept.blob):
        pass


def test_a_store_that_is_away_damages_nothing(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house(FixedClock(TEN))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    receive(house)
    (tmp_path / "data" / "blobs" / "objects").rename(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        verifier(house).read_all()
    with house.store.read() as tx:
        assert objects.count_damaged(tx) == 0


def test_one_process_reads_at_a_time_and_a_finished_reading_rests(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_objects, "_LONGEST_PAUSE_SECS", 0.01)
    receive(house)
    one = ObjectVerifier(house.store, house.blobs, house.clock, Pace(30, 0), owner="one")
    other = ObjectVerifier(house.store, house.blobs, house.clock, Pace(30, 0), owner="other")
    assert one.work()
    assert not other.work()
    while one.work():
        pass
    assert not one.work()
    assert not other.work()
    assert not ObjectVerifier(house.store, house.blobs, house.clock, Pace(0, 0), owner="one").work()


def test_a_person_who_wants_all_of_it_read_now_waits_for_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_objects, "_LONGEST_PAUSE_SECS", 0.01)
    receive(house)
    paced = ObjectVerifier(house.store, house.blobs, house.clock, Pace(30, 0), owner="paced")
    assert paced.work()
    assert verifier(house).read_all().read_objects == 1
    assert not paced.work()


def test_what_a_crash_left_without_a_row_is_laid_apart_and_later_dropped(house: House) -> None:
    kept = receive(house)
    orphan = spooled(house, image(PLAIN, "A1", 7))
    house.blobs.keep(orphan.path, orphan.digest)
    now = datetime.now(UTC)
    assert sweep_objects(house.store, house.blobs, now).taken == 0
    assert sweep_objects(house.store, house.blobs, now + timedelta(hours=2)).taken == 1
    assert (lying(house, Place.KEPT), lying(house, Place.SWEPT)) == ([kept.blob], [orphan.digest])
    assert sweep_objects(house.store, house.blobs, now + timedelta(days=6)).dropped == 0
    assert sweep_objects(house.store, house.blobs, now + timedelta(days=8)).dropped == 1
    assert lying(house, Place.SWEPT) == []


def test_what_is_named_after_all_is_brought_back(house: House) -> None:
    kept = receive(house)
    house.blobs.move(kept.blob, Place.KEPT, Place.SWEPT)
    assert sweep_objects(house.store, house.blobs, datetime.now(UTC)).returned == 1
    assert lying(house, Place.KEPT) == [kept.blob]


def test_many_objects_without_rows_are_left_to_a_person(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN))
    assert isinstance(house.blobs, FolderBlobs)
    for number in range(101):
        house.blobs.path_of(f"{number:064x}").write_bytes(b"another database's")
    later = datetime.now(UTC) + timedelta(hours=2)
    with pytest.raises(Conflict):
        sweep_objects(house.store, house.blobs, later)
    assert len(lying(house, Place.KEPT)) == 101
    assert sweep_objects(house.store, house.blobs, later, however_many=True).taken == 101


def commit(house: House, kept: Instance, *archives: str, state: str = "committed") -> None:
    """Write what archives said of one object."""
    with house.store.write() as tx:
        study = studies.get(tx, kept.study_key)
        for archive in archives:
            tx.execute(
                insert(forwards).values(
                    instance_key=kept.key,
                    study_key=kept.study_key,
                    destination=archive,
                    binding_version=study.binding_version,
                    status="0000",
                    sent_at=TEN,
                    commitment=state,
                )
            )
        tx.execute(update(deliveries).values(state="sent", settled_at=TEN))


def remove(house: House, rule: RemovalRule = RULE) -> int:
    return remove_archived(house.store, house.blobs, FixedClock(LATER), rule).objects


def test_nothing_is_removed_unless_a_rule_says_so(house: House) -> None:
    commit(house, receive(house), "PACS", "VNA")
    assert removal_rule(house).after_days == 0
    assert remove(house, removal_rule(house)) == 0


def test_what_every_archive_committed_to_is_removed_and_the_study_says_who_keeps_it(house: House) -> None:
    kept = receive(house)
    commit(house, kept, "PACS", "VNA")
    assert [one.instances for one in what_would_go(house.store, RULE, LATER)] == [1]
    assert remove(house) == 1
    with house.store.read() as tx:
        assert retention.removed_of(tx, kept.study_key) == 1
        assert retention.archives_of(tx, kept.study_key) == ["PACS", "VNA"]
        assert any("kept by PACS, VNA" in event.what for event in events.timeline(tx, [], [kept.study_key]))
    assert "study_removed" in actions(house)
    sweep_objects(house.store, house.blobs, datetime.now(UTC) + timedelta(hours=2))
    sweep_objects(house.store, house.blobs, datetime.now(UTC) + timedelta(hours=4))
    assert [*lying(house, Place.KEPT), *lying(house, Place.SWEPT)] == []
    assert verifier(house).read_all().damaged == 0
    with house.search.open(encode_query(study_query()), IMPLICIT, Asker()) as found:
        (one,) = found
        with pytest.raises(Conflict) as refused, one.at_hand():
            pass
    assert refused.value.code == "object_removed"
    (answer,) = house.search.find(encode_query(study_query(InstanceAvailability="")), IMPLICIT, Asker())
    assert b"UNAVAILABLE " in answer


def test_a_removed_object_that_comes_again_is_here_again(house: House) -> None:
    kept = receive(house)
    commit(house, kept, "PACS", "VNA")
    remove(house)
    sweep_objects(house.store, house.blobs, datetime.now(UTC) + timedelta(hours=2))
    assert receive(house) == kept
    with house.search.open(encode_query(study_query()), IMPLICIT, Asker()) as found:
        (one,) = found
        with one.at_hand() as path:
            assert path.stat().st_size >= kept.size_bytes
    assert sweep_objects(house.store, house.blobs, datetime.now(UTC) + timedelta(hours=4)).dropped <= 1
    with house.blobs.at_hand(kept.blob) as path:
        assert path.stat().st_size == kept.size_bytes


@pytest.mark.parametrize(
    "lacks", ["an archive", "a commitment", "an object", "its days", "its archives", "its binding"]
)
def test_a_study_stays_that_lacks_something(make_house: MakeHouse, lacks: str) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)
    commit(house, kept, "PACS")
    if lacks != "an archive":
        commit(house, kept, "VNA", state="asked" if lacks == "a commitment" else "committed")
    if lacks == "an object":
        receive(house, 2)
        with house.store.write() as tx:
            tx.execute(update(deliveries).values(state="sent"))
    if lacks == "its binding":
        with house.store.write() as tx:
            tx.execute(update(forwards).values(binding_version=forwards.c.binding_version - 1))
    rule = RemovalRule(30, ()) if lacks == "its archives" else RULE
    rule = RemovalRule(101, RULE.archives) if lacks == "its days" else rule
    assert remove(house, rule) == 0
    with house.store.read() as tx:
        assert retention.removed_of(tx, kept.study_key) == 0


def test_a_study_that_left_otherwise_before_stays_whatever_an_archive_says_of_its_uids(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)
    commit(house, kept, "PACS", "VNA")
    assert [one.instances for one in what_would_go(house.store, RULE, LATER)] == [1]
    corrector = StudyCorrector(house.store, house.blobs, house.clock, house.destinations)
    made = corrector.correct(
        study_uid("A1"), Correction({"StudyDescription": "CT CHEST LOW DOSE"}, "what was done", "user:maria")
    )
    with house.store.write() as tx:
        tx.execute(update(forwards).values(binding_version=made.binding_version, commitment="committed"))
        tx.execute(update(deliveries).values(state="sent", settled_at=TEN))
    assert remove(house) == 0


def test_what_is_owed_held_or_in_review_stays(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)
    commit(house, kept, "PACS", "VNA")
    with house.store.write() as tx:
        tx.execute(update(deliveries).values(state="held"))
    assert remove(house) == 0
    with house.store.write() as tx:
        tx.execute(update(deliveries).values(state="sent"))
    with pytest.raises(Incomplete):
        hold_study(house.store, house.clock, study_uid("A1"), " ", "user:maria")
    hold_study(house.store, house.clock, study_uid("A1"), "teaching file", "user:maria")
    assert remove(house) == 0
    release_study(house.store, house.clock, study_uid("A1"), "user:maria")
    assert [one.instances for one in what_would_go(house.store, RULE, LATER)] == [1]
    spoil(house, kept.blob)
    verifier(house).read_all()
    assert remove(house) == 0


def test_what_was_given_up_is_owed_until_a_person_says_otherwise(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    commit(house, receive(house), "PACS", "VNA")
    with house.store.write() as tx:
        tx.execute(update(deliveries).values(state="dead", settled_at=None))
    assert remove(house) == 0
    with house.store.write() as tx:
        tx.execute(update(deliveries).values(settled_at=TEN))
    assert remove(house) == 1


def test_a_study_that_is_bound_again_as_it_was_needs_no_second_commitment(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    commit(house, receive(house), "PACS", "VNA")
    unbind(house)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("bind", "it is hers", "user:maria", accession_number="A1"))
    with house.store.write() as tx:
        tx.execute(update(deliveries).values(state="sent", settled_at=TEN))
    assert remove(house) == 1


def test_a_study_that_waits_for_a_person_stays(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    commit(house, receive(house), "PACS", "VNA")
    unbind(house)
    assert what_would_go(house.store, RULE, LATER) == []


def test_a_run_keeps_to_its_limit_and_to_the_room_it_is_asked_for(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN), dicom={"peers": PEERS})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for number in (1, 2):
        commit(house, receive(house, number), "PACS", "VNA")
    assert remove(house, RemovalRule(30, RULE.archives, free_below_bytes=1)) == 0
    assert len(what_would_go(house.store, RemovalRule(30, RULE.archives, most_objects=1), LATER)) == 1
    with house.store.read() as tx:
        assert tx.execute(instances.select()).first() is not None


def test_a_backup_leaves_out_what_is_damaged_and_says_so(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house(FixedClock(TEN))
    if not house.store.is_sqlite:
        pytest.skip("PostgreSQL has its own backups")
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    damaged, sound = receive(house, 1), receive(house, 2)
    house.blobs.drop(damaged.blob, Place.KEPT)
    made = back_up(house.settings.database_url, house.blobs, tmp_path / "backup", house.clock)
    assert (made.objects, made.lacking) == (1, 1)
    blobs = FolderBlobs(tmp_path / "new" / "blobs")
    url = f"sqlite:///{tmp_path / 'new' / 'bridge.db'}"
    assert restore(tmp_path / "backup", url, blobs, house.clock).objects == 1
    assert blobs.path_of(sound.blob).stat().st_size == sound.size_bytes


def test_a_backup_of_a_bucket_is_restored_into_a_bucket(
    make_house: MakeHouse, server: S3Server, tmp_path: Path
) -> None:
    house = make_house(FixedClock(TEN))
    if not house.store.is_sqlite:
        pytest.skip("PostgreSQL has its own backups")
    house.__dict__["blobs"] = blobs_in(server.new_bucket(), tmp_path / "data" / "blobs")
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)
    assert back_up(house.settings.database_url, house.blobs, tmp_path / "backup", house.clock).objects == 1
    other = blobs_in(server.new_bucket(), tmp_path / "new" / "blobs")
    restore(tmp_path / "backup", f"sqlite:///{tmp_path / 'new' / 'bridge.db'}", other, house.clock)
    assert sum(len(chunk) for chunk in other.read(kept.blob)) == kept.size_bytes


@pytest.mark.parametrize("destination", ["", "THERE"], ids=["C-GET", "C-MOVE"])
def test_a_retrieval_fails_for_the_damaged_object_alone(make_house: MakeHouse, destination: str) -> None:
    with receiving("THERE") as (there, port):
        peers = [peer("WS1", "viewer"), peer("THERE", "viewer", port=port), PEERS[0]]
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": peers})
        say(house, adt(PLAIN), order(PLAIN, "A1"))
        damaged, *sound = [receive(house, number) for number in (1, 2, 3)]
        house.blobs.drop(damaged.blob, Place.KEPT)
        receiver = there if destination else Receiver()
        with running(house) as ours:
            assert retrieve(ours, "WS1", receiver, destination) == 0xB000
    assert sorted(receiver.got) == sorted(one.sop_instance_uid for one in sound)
