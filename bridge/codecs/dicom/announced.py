"""Whether an object is the one that its command announced. Source: PS3.4 B.2.3."""

from __future__ import annotations

from bridge.domain.study import Header
from bridge.errors import Malformed


def check_identity(header: Header, affected_sop_class_uid: str, affected_sop_instance_uid: str) -> None:
    """
    Refuse an object that is not the one its C-STORE command announced.

    Raises: Malformed, code "sop_class_mismatch" or "uid_mismatch". Source: PS3.4 B.2.3 (A900), PS3.7 9.3.1.1.
    """
    if header.sop_class_uid != affected_sop_class_uid.strip(" \0"):
        raise Malformed(
            "the data set is of another SOP class than announced", code="sop_class_mismatch", where="SOPClassUID"
        )
    if header.sop_instance_uid != affected_sop_instance_uid.strip(" \0"):
        raise Malformed("the data set has another UID than announced", code="uid_mismatch", where="SOPInstanceUID")
