"""Corrections on the way out: a copy that carries the record's identity and says what it replaced.

The original is never touched. Only the ranges that change are rewritten, so pixels and everything not named stay byte for
byte as acquired, in the same transfer syntax. Source: PS3.3 C.12.1.1.9, C.12.1.1.2.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedWriter
from pathlib import Path

from bridge.codecs.dicom.edits import Edit, apply_edits, copy_range
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.replacements import DoesNotFit, Replacer
from bridge.codecs.dicom.survey import planned, stands_already, survey
from bridge.domain.overlay import Layer, values_of


def corrected_copy(source: Path, target: Path, layers: Sequence[Layer], modifying_system: str) -> bool:
    """
    Write *source* to *target* with *layers* applied, at the root and wherever the old identity is repeated.

    Return False, and write nothing, where every value stands already. The same source and layers give the same bytes.
    modifying_system: who made the corrections, at most 64 characters.
    Raises: Malformed, if *source* cannot be read; Unsupported, for a keyword that is never corrected, or a value that
    the file cannot take. *target* is then not there. Source: PS3.3 C.12.1.1.9.
    """
    with open_buffer(source) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        if stands_already(dataset, values_of(layers)):
            return False
        edits = plan_edits(dataset, layers, modifying_system)
        with source.open("rb") as original, _written(target) as file:
            file.write(data[: meta.dataset_at])
            if dataset.syntax.deflated:
                file.write(deflated(dataset, edits))
            else:
                copy = partial(copy_range, original, file)
                apply_edits(dataset.data, (dataset.start, dataset.end), edits, file.write, copy)
    return True


def plan_edits(dataset: DataSetBytes, layers: Sequence[Layer], modifying_system: str) -> list[Edit]:
    """Return the edits that *layers* make; the whole data set becomes UTF-8 if a new value fits no other way."""
    stands = survey(dataset)
    changes = planned(layers, stands, modifying_system)
    if not changes.values:
        return []
    try:
        return Replacer(dataset, stands, changes, to_utf8=False).plan()
    except DoesNotFit:
        return Replacer(dataset, stands, changes, to_utf8=True).plan()


def deflated(dataset: DataSetBytes, edits: list[Edit]) -> bytes:
    """Return the edited data set deflated again, padded to an even length. Source: PS3.5 A.5."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    out: list[bytes] = []
    apply_edits(dataset.data, (dataset.start, dataset.end), edits, lambda chunk: out.append(deflater.compress(chunk)))
    packed = b"".join(out) + deflater.flush()
    return packed + b"\0" * (len(packed) % 2)


@contextmanager
def _written(target: Path) -> Iterator[BufferedWriter]:
    """Open *target* for writing; what fails leaves no half file."""
    try:
        with target.open("wb") as file:
            yield file
    except BaseException:
        target.unlink(missing_ok=True)
        raise
