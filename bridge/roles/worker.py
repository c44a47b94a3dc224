"""The role worker: deliveries, replays, exams that end without a word, and the periodic chores of whoever holds the lead."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.building.asking import payer_readers
from bridge.building.bulk import bulk_queue
from bridge.building.clearing import payer_files
from bridge.building.destinations import at_once, publishers
from bridge.building.fetching import authorization_polls, chart_watch, evidence_polls, order_poll
from bridge.building.news import export_queue, news_watch
from bridge.building.outside import askers
from bridge.building.shelf import object_verifier
from bridge.building.tellers import telling_keeper
from bridge.flows.commit_storage import CommitmentWatch
from bridge.flows.lookout import Lookout
from bridge.housekeeping import Housekeeping
from bridge.outbox.worker import Worker
from bridge.wiring import House, Role


class WorkerRole:
    """Deliveries, replays, exams that end without a word, and the periodic chores of whoever holds the lead."""

    def __init__(self, house: House) -> None:
        self._worker = Worker(house.store, house.clock, publishers(house), owner=house.node, at_once=at_once(house))
        self._housekeeping = Housekeeping(house)
        self._replays = house.replays
        self._bulk = bulk_queue(house)
        self._order_lists = house.order_lists
        self._order_poll = order_poll(house)
        self._chart_watch = chart_watch(house)
        self._askers: list[Lookout] = [
            *askers(house),
            *authorization_polls(house),
            *payer_readers(house),
            telling_keeper(house),
            *evidence_polls(house),
            payer_files(house),
        ]
        self._exams = house.exam_watch
        self._news = news_watch(house)
        self._exports = export_queue(house)
        self._commitments = CommitmentWatch(house.store, house.blobs, house.clock, owner=house.node)
        self._verifier = object_verifier(house)
        self._mapping_watch = house.mapping_watch
        self._store = house.store
        self._decoders = house.decoders

    def start(self) -> None:
        self._mapping_watch.start()
        self._worker.start()
        self._replays.start()
        self._bulk.start()
        self._order_lists.start()
        self._order_poll.start()
        self._chart_watch.start()
        for asker in self._askers:
            asker.start()
        self._exams.start()
        self._news.start()
        self._exports.start()
        self._commitments.start()
        self._verifier.start()
        self._housekeeping.start()

    def stop(self) -> None:
        self._housekeeping.stop()
        for asker in self._askers:
            asker.stop()
        self._chart_watch.stop()
        self._order_poll.stop()
        self._order_lists.stop()
        self._commitments.stop()
        self._verifier.stop()
        self._exports.stop()
        self._news.stop()
        self._exams.stop()
        self._bulk.stop()
        self._replays.stop()
        self._worker.stop()
        self._decoders.close()
        self._mapping_watch.stop()

    @property
    def is_alive(self) -> bool:
        loops: list[Lookout | Worker] = [
            self._worker,
            self._replays,
            self._bulk,
            self._order_lists,
            self._order_poll,
            self._chart_watch,
            self._exams,
            self._news,
            self._exports,
            self._commitments,
            self._verifier,
            *self._askers,
        ]
        return all(loop.is_alive for loop in loops) and not self._store.is_failing

    @property
    def addresses(self) -> Mapping[str, str]:
        return {}


def make(house: House) -> Role:
    """Build the role over *house*."""
    return WorkerRole(house)
