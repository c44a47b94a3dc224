"""The studies that a task works on: all known, all bound, all one patient's. Whose they are is the binding's word."""

from __future__ import annotations

from bridge.codecs.dicomweb import workitem_reading as reading
from bridge.domain.workitem import Attributes
from bridge.errors import Conflict, Malformed
from bridge.store import patients, studies
from bridge.store.db import ReadTx


def inputs_of(tx: ReadTx, said: Attributes, patient_key: int | None) -> tuple[int, tuple[int, ...]]:
    """
    Return whom a task concerns and the studies it works on. patient_key: whom it says it concerns, None if nobody.

    Raises: Malformed, if an input names no study; Conflict, code "unknown_input": whether a study is unknown or nobody
    has bound it yet is not told; "another_patient".
    """
    uids = reading.input_studies(said)
    if not uids:
        raise Malformed("an input names its study", where="InputInformationSequence", source="PS3.3 Table 10-3b")
    keys, owner = [], patients.survivor(tx, patient_key).key if patient_key is not None else None
    for uid in uids:
        study = studies.by_uid(tx, uid)
        if study is None or not study.is_bound or study.patient_key is None:
            raise Conflict("no such study here", code="unknown_input", where="InputInformationSequence")
        whose = patients.survivor(tx, study.patient_key).key
        if owner is not None and whose != owner:
            raise Conflict("the study is another patient's", code="another_patient", where="InputInformationSequence")
        owner = whose
        keys.append(study.key)
    assert owner is not None
    return owner, tuple(keys)
