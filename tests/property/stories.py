"""How stories of a world are told, thousands of them in `make campaign`: in memory where the machine has such a folder, without logs."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.property.identity_world import World

CAMPAIGN = os.environ.get("BRIDGE_CAMPAIGN") == "1"
# A limit that strikes in a story reads as a story that ends otherwise when it is told again: only what hangs meets it.
LIMIT_SECS = 36_000 if CAMPAIGN else 1800

OneWorld = TypeVar("OneWorld", bound=World)


@contextmanager
def world_of(make: Callable[[Path], OneWorld]) -> Iterator[OneWorld]:
    """Yield one world for all stories of a run."""
    memory = Path("/dev/shm")
    made = make(Path(tempfile.mkdtemp(prefix="ib-stories-", dir=memory if memory.is_dir() else None)))
    # What is loaded stays: there is no need to look through it for garbage in each of thousands of stories.
    gc.freeze()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield made
    structlog.reset_defaults()
    made.close()


def tell_stories(
    kind: type[RuleBasedStateMachine], world: Any, *, campaign: int, deeds: int, otherwise: int = 25
) -> None:
    """Tell so many stories in a campaign and *otherwise* (BRIDGE_STORIES=n for another number), each of at most *deeds*."""
    count = int(os.environ.get("BRIDGE_STORIES", str(campaign if CAMPAIGN else otherwise)))
    run_state_machine_as_test(
        type("Story", (kind,), {"world": world}),
        settings=settings(
            max_examples=count,
            stateful_step_count=deeds,
            deadline=None,
            derandomize=not CAMPAIGN,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
