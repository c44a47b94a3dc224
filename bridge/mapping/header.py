"""Whether a message is one we serve, before anything in it is looked at. Source: HL7 2.5.1 2.9.2.2, 2.14.9."""

from __future__ import annotations

import re

from bridge.codecs.hl7.envelope import Envelope
from bridge.errors import Incomplete, Unsupported
from bridge.mapping.site import SiteMapping

_REQUIRED = (9, 10, 11, 12)
_VERSION = re.compile(r"2\.[1-9](\.[0-9]{1,2})?", re.ASCII)


def check_header(envelope: Envelope, site: SiteMapping) -> None:
    """
    Refuse what this site may not send, or what nobody may.

    Raises: Incomplete (AE 101; AE 103 for a receiver the site did not mean), Unsupported (AR 200 to 203).
    """
    for number in _REQUIRED:
        if not envelope.component(number):
            raise Incomplete("required value missing", code="missing", where=f"MSH-{number}", source="HL7 2.5.1 2.14.9")
    _check_type(envelope, site)
    if site.processing_ids and envelope.processing_id not in site.processing_ids:
        raise Unsupported(
            "this sender's messages are expected with another processing id",
            code="unsupported_processing_id",
            where="MSH-11",
            source="HL7 table 0103",
        )
    if not _VERSION.fullmatch(envelope.version):
        raise Unsupported("HL7 version not served", code="unsupported_version", where="MSH-12", source="HL7 table 0104")
    for number, expected in ((5, site.receiving.application), (6, site.receiving.facility)):
        if expected and envelope.component(number) != expected:
            raise Incomplete("not addressed to this receiver", code="not_in_table", where=f"MSH-{number}")


def _check_type(envelope: Envelope, site: SiteMapping) -> None:
    """Route on MSH-9.1 and 9.2, never on 9.3: senders leave it out or contradict themselves there."""
    # With other delimiters "ORU^R01" may be one component, and is then no code of a message.
    if envelope.message_type in site.accepts and "^" not in envelope.message_code:
        return
    if envelope.message_code not in {accepted.split("^")[0] for accepted in site.accepts}:
        raise Unsupported("message type not served", code="unsupported_type", where="MSH-9.1", source="HL7 table 0076")
    raise Unsupported("trigger event not served", code="unsupported_event", where="MSH-9.2", source="HL7 table 0003")
