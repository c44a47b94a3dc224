"""A journalled message is read again, with today's mapping: its row takes the new outcome."""

from __future__ import annotations

from bridge.flows.receive_message import MessageReceiver, Received
from bridge.store import messages
from bridge.store.db import Store


def replay_message(store: Store, receiver: MessageReceiver, message_key: int, actor: str) -> str:
    """
    Apply the message in row *message_key* again and return its new state.

    Raises: LookupError, if there is none. An applied message is applied again, too: older news changes nothing.
    """
    with store.read() as tx:
        message = messages.get(tx, message_key)
    receiver.receive([Received(message.raw, message.peer, replay_of=message.key, actor=actor)])
    with store.read() as tx:
        return messages.get(tx, message_key).state.value
