"""Periodic chores, ticked by APScheduler in the one worker that holds the lead; the chores themselves live in flows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from bridge.building.shelf import removal_rule
from bridge.errors import BridgeError
from bridge.flows.count_claims import ExamCounter
from bridge.flows.keep_house import (
    forget_facts,
    forget_finished_steps,
    forget_old_news,
    forget_told,
    forget_versions,
    sweep_spool,
    take_lead,
)
from bridge.flows.keep_pictures import forget_absent
from bridge.flows.look_at_shelf import count_usage
from bridge.flows.manage_users import forget_ended_sessions
from bridge.flows.note_availability import forget_unknown
from bridge.flows.note_queries import trim_queries
from bridge.flows.remove_archived import remove_archived
from bridge.flows.route_studies import RouteFollower
from bridge.flows.sweep_objects import sweep_objects
from bridge.wiring import House

_log = structlog.get_logger(__name__)

_LEAD_SECS = 60
_TICK_SECS = 20
_ROUTES_SECS = 5
_SWEEP_MINUTES = 15
_TRIM_MINUTES = 5
_REMOVE_MINUTES = 60
_COUNT_MINUTES = 15
_LEFTOVER_SECS = 3600.0


class Housekeeping:
    """Ticks; with several workers, only the holder of the lease "housekeeping" does anything."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._leads = False
        self._routes = RouteFollower(house.store, house.clock, house.destinations, house.routes)
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._scheduler.add_job(self._take_lead, "interval", seconds=_TICK_SECS, next_run_time=house.clock.now())
        self._scheduler.add_job(self._follow_routes, "interval", seconds=_ROUTES_SECS, next_run_time=house.clock.now())
        self._scheduler.add_job(self._sweep, "interval", minutes=_SWEEP_MINUTES)
        self._scheduler.add_job(self._sweep_objects, "interval", minutes=_REMOVE_MINUTES)
        soon = house.clock.now() + timedelta(seconds=_TICK_SECS)
        self._scheduler.add_job(self._count_usage, "interval", minutes=_REMOVE_MINUTES, next_run_time=soon)
        self._exams = ExamCounter(house.store, house.clock, house.settings.time_zone)
        self._scheduler.add_job(self._count_recent, "interval", minutes=_COUNT_MINUTES, next_run_time=soon)
        self._scheduler.add_job(self._count_all, "interval", hours=24)
        self._scheduler.add_job(self._forget_sessions, "interval", minutes=_SWEEP_MINUTES)
        self._scheduler.add_job(self._forget_finished, "interval", minutes=_SWEEP_MINUTES)
        self._scheduler.add_job(self._forget_news, "interval", minutes=_REMOVE_MINUTES)
        self._scheduler.add_job(self._forget_unknown, "interval", minutes=_REMOVE_MINUTES)
        self._scheduler.add_job(self._trim_queries, "interval", minutes=_TRIM_MINUTES)
        self._scheduler.add_job(self._forget_versions, "interval", minutes=_REMOVE_MINUTES)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=True)

    def _take_lead(self) -> None:
        lease = timedelta(seconds=_LEAD_SECS)
        try:
            self._leads = take_lead(self._house.store, self._house.node, self._house.clock.now(), lease)
        except BridgeError as fault:
            self._leads = False
            _log.warning("lead_not_taken", code=fault.code)

    def _follow_routes(self) -> None:
        """Every worker does: what is queued twice is queued once."""
        try:
            if looked_at := self._routes.follow():
                _log.info("routes_followed", studies=looked_at)
        except BridgeError as fault:
            _log.warning("routes_not_followed", code=fault.code)

    def _sweep(self) -> None:
        if self._leads:
            removed = sweep_spool(self._house.blobs, _LEFTOVER_SECS, time.time())
            _log.info("spool_swept", removed=removed)

    def _sweep_objects(self) -> None:
        """Note what archives keep by now as removed, then take what no row names, and its pictures."""
        if not self._leads:
            return
        house = self._house
        try:
            removed = remove_archived(house.store, house.blobs, house.clock, removal_rule(house))
            swept = sweep_objects(house.store, house.blobs, house.clock.now())
            forgotten = forget_absent(house.store, house.pictures)
            _log.info("objects_swept", removed=removed.objects, pictures=forgotten, **asdict(swept))
        except BridgeError as fault:
            _log.error("objects_not_swept", code=fault.code)

    def _count_usage(self) -> None:
        if not self._leads:
            return
        try:
            _log.info("usage_counted", objects=count_usage(self._house.store, self._house.clock.now()))
        except BridgeError as fault:
            _log.warning("usage_not_counted", code=fault.code)

    def _count_recent(self) -> None:
        self._count_exams(self._exams.count_recent)

    def _count_all(self) -> None:
        self._count_exams(self._exams.count_all)

    def _count_exams(self, count: Callable[[], int]) -> None:
        """Bring what the proof counts in line with what was done since."""
        if not self._leads:
            return
        try:
            if changed := count():
                _log.info("exams_counted", changed=changed)
        except BridgeError as fault:
            _log.warning("exams_not_counted", code=fault.code)

    def _forget_sessions(self) -> None:
        if not self._leads:
            return
        try:
            forget_ended_sessions(
                self._house.store, self._house.clock, timedelta(minutes=self._house.settings.http.idle_minutes)
            )
        except BridgeError as fault:
            _log.warning("sessions_not_forgotten", code=fault.code)

    def _forget_finished(self) -> None:
        if not self._leads:
            return
        try:
            forget_finished_steps(self._house.store, self._house.clock.now())
        except BridgeError as fault:
            _log.warning("finished_steps_not_forgotten", code=fault.code)

    def _forget_news(self) -> None:
        if not self._leads:
            return
        try:
            forget_old_news(self._house.store, self._house.clock.now())
            forget_facts(self._house.store, self._house.clock.now())
            forget_told(self._house.store, self._house.clock.now())
        except BridgeError as fault:
            _log.warning("news_not_forgotten", code=fault.code)

    def _forget_unknown(self) -> None:
        if not self._leads:
            return
        try:
            forget_unknown(self._house.store, self._house.clock.now())
        except BridgeError as fault:
            _log.warning("unknown_studies_not_forgotten", code=fault.code)

    def _forget_versions(self) -> None:
        if not self._leads:
            return
        try:
            keep_days = self._house.settings.publish.keep_versions_days
            if forgotten := forget_versions(self._house.store, self._house.clock.now(), keep_days):
                _log.info("chart_versions_forgotten", versions=forgotten)
        except BridgeError as fault:
            _log.warning("chart_versions_not_forgotten", code=fault.code)

    def _trim_queries(self) -> None:
        if not self._leads:
            return
        try:
            trim_queries(self._house.store, self._house.clock, self._house.settings.dicom.keep_queries_days)
        except BridgeError as fault:
            _log.warning("queries_not_trimmed", code=fault.code)
