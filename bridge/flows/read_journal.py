"""What stands in the journal is read again by whoever reads its kind: HL7 messages, FHIR calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.domain.message import InboundMessage, MessageState
from bridge.flows.receive_fhir import FhirReceiver, is_fhir
from bridge.flows.receive_message import MessageReceiver
from bridge.store.db import WriteTx


class JournalReader:
    """Reads journalled messages again, each as it came."""

    def __init__(self, messages: MessageReceiver, calls: FhirReceiver) -> None:
        self._messages = messages
        self._calls = calls

    def read_again(
        self,
        journalled: Sequence[InboundMessage],
        actor: str,
        also: Callable[[WriteTx, list[MessageState]], None] = lambda tx, states: None,
    ) -> list[MessageState]:
        """
        Apply messages of one kind again, under one commit, and return what came of each this time.

        Raises: Unavailable, if nothing could be stored.
        """
        reader = self._calls if journalled and is_fhir(journalled[0]) else self._messages
        return reader.read_again(journalled, actor, also)

    def outlook(self, message: InboundMessage) -> MessageState:
        """Return what would come of a message as far as reading it decides; nothing is written."""
        return (self._calls if is_fhir(message) else self._messages).outlook(message)
