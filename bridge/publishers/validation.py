"""What is published is validated before it leaves: all of it where the site is strict, else a sample."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from bridge.codecs.fhir.check import faults_of
from bridge.errors import Incomplete

Json = dict[str, Any]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Validation:
    """strict: what is invalid is not sent. share: of what is validated all the same, 0 to 1; chance: draws from it."""

    strict: bool = False
    share: float = 0.0
    # Which of them are looked at is no secret.
    chance: Callable[[], float] = random.random

    def checked(self, version: str, resource: Json) -> Json:
        """
        Return *resource*, which we built ourselves. version: "R4" or "R5".

        Raises: Incomplete, code "invalid_resource", where the site is strict and it is none: it must not leave.
        """
        if not self.strict and self.chance() >= self.share:
            return resource
        faults = faults_of(version, resource)
        if faults:
            _log.warning("invalid_resource", kind=resource.get("resourceType"), release=version, faults=list(faults))
        if faults and self.strict:
            detail = f"it is no valid resource and was not sent: {'; '.join(faults)}"
            raise Incomplete(detail, code="invalid_resource", where=faults[0].split(":")[0])
        return resource


UNSEEN = Validation()
