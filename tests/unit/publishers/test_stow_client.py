"""What a request to a DICOMweb archive holds where objects of a study are not here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.publishers.stow_client import _Parts


@dataclass(frozen=True)
class Leaving:
    """An object on its way out; fault: what keeps it from being opened."""

    sop_instance_uid: str
    path: Path
    fault: BridgeError | None = None
    sop_class_uid: str = "1.2.840.10008.5.1.4.1.1.2"
    transfer_syntax_uid: str = "1.2.840.10008.1.2.1"

    @contextmanager
    def at_hand(self) -> Iterator[Path]:
        if self.fault is not None:
            raise self.fault
        yield self.path


@pytest.mark.parametrize(
    "fault",
    [Conflict("removed here", code="object_removed"), Unavailable("damaged or missing", code="object_damaged")],
)
def test_an_object_that_is_not_here_keeps_none_of_the_others_from_leaving(tmp_path: Path, fault: BridgeError) -> None:
    path = tmp_path / "object"
    path.write_bytes(b"an object")
    parts = _Parts([Leaving("2.25.1", path), Leaving("2.25.2", path, fault), Leaving("2.25.3", path)], lambda: None)
    assert b"".join(parts.body("here")).count(b"an object") == 2
    assert [one.sop_instance_uid for one in parts.sent] == ["2.25.1", "2.25.3"]
    (told,) = parts.spoilt
    assert (told.sop_instance_uid, told.is_kept) == ("2.25.2", False)
    assert told.fault is (fault if isinstance(fault, Conflict) else None)


def test_a_study_that_is_bound_otherwise_ends_the_request(tmp_path: Path) -> None:
    other = Conflict("bound otherwise", code="binding_changed")
    with pytest.raises(Conflict):
        b"".join(_Parts([Leaving("2.25.1", tmp_path, other)], lambda: None).body("here"))
