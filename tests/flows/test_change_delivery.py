"""A person gives a delivery up: never the one that takes a study out of a chart that may be the wrong one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.errors import Conflict
from bridge.flows.change_delivery import drop_delivery
from bridge.outbox import claim, settle
from bridge.outbox.enqueue import ARCHIVE, IMAGING_STUDY
from bridge.store import deliveries
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from tests.fakes.clinic import Clinic


def send(clinic: Clinic, topic: str, destination: str) -> None:
    now = clinic.clock.now()
    with clinic.store.write() as tx:
        taken = claim.claim(tx, (topic, destination), "test", now, timedelta(seconds=12))
        assert taken is not None
        settle.record(tx, taken, "sent", "", now)
        settle.sent(tx, taken, "", now)


def newest(store: Store) -> deliveries.Delivery:
    with store.read() as tx:
        return deliveries.search(tx)[0]


def test_the_withdrawal_of_a_study_in_question_is_not_given_up(store: Store) -> None:
    clinic = Clinic(store)
    study = clinic.bind(clinic.study("2.25.1"), clinic.patient("00041001"))
    clinic.queue(IMAGING_STUDY, "ehr", study)
    send(clinic, IMAGING_STUDY, "ehr")
    clinic.question(study)
    owed = newest(store)
    assert owed.state == DeliveryState.PENDING
    with pytest.raises(Conflict) as refused:
        drop_delivery(store, clinic.clock, owed.key, "user:ivo")
    assert refused.value.code == "withdrawal_owed"
    assert newest(store) == owed


@pytest.mark.parametrize(("topic", "destination"), [(IMAGING_STUDY, "ehr"), (ARCHIVE, "PACS")])
def test_what_never_left_may_be_given_up(store: Store, topic: str, destination: str) -> None:
    clinic = Clinic(store)
    study = clinic.study("2.25.1")
    clinic.queue(topic, destination, study, held_reason="V06")
    drop_delivery(store, clinic.clock, newest(store).key, "user:ivo")
    assert newest(store).state == DeliveryState.DEAD
