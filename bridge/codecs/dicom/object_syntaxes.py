"""The transfer syntaxes that objects are kept in, whichever way they come. Source: PS3.5 A, PS3.6 A."""

from __future__ import annotations

from typing import Final

from bridge.codecs.dicom.elements import NATIVE
from bridge.errors import Unsupported

_COMPRESSED: Final = (
    *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93, 201, 202, 203)),
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109)),
    *(f"1.2.840.10008.1.2.4.{n}.1" for n in range(100, 107)),
)
# Not JPIP: its pixels lie elsewhere.
OBJECT_SYNTAXES: Final = NATIVE.union(_COMPRESSED)


def check_syntax(transfer_syntax_uid: str) -> None:
    """Raises: Unsupported, code "transfer_syntax", for one that nothing is kept in."""
    if transfer_syntax_uid not in OBJECT_SYNTAXES:
        raise Unsupported("nothing is kept in this transfer syntax", code="transfer_syntax", where="TransferSyntaxUID")
