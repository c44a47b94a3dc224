"""A journalled message is read again, with today's mapping: its row takes the new outcome, but an answer of AA is never taken back."""

from __future__ import annotations

from bridge.flows.read_journal import JournalReader
from bridge.flows.receive_message import MessageReceiver
from bridge.store import messages
from bridge.store.db import Store


def replay_message(store: Store, receiver: MessageReceiver | JournalReader, message_key: int, actor: str) -> str:
    """
    Apply the message in row *message_key* again and return what came of it this time.

    Raises: LookupError, if there is none; Unavailable, if nothing could be stored. An applied message is applied again, too: older news changes nothing.
    """
    with store.read() as tx:
        message = messages.get(tx, message_key)
    return receiver.read_again([message], actor)[0].value
