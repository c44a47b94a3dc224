"""Who has to leave when the MLLP door is full: whoever costs most and has shown least."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bridge.listeners.mllp_conversation import Conversation, MllpLimits


@dataclass(eq=False, slots=True)
class Connection:
    """One accepted connection. opened: the loop's time."""

    address: str
    conversation: Conversation
    opened: float
    task: asyncio.Task[None] | None = None

    @property
    def last_seen(self) -> float:
        """When it last ended a message, else when it came."""
        return self.conversation.last_message or self.opened


def room_for(address: str, present: Collection[Connection], limits: MllpLimits) -> tuple[bool, Connection | None]:
    """
    Say whether one more from *address* may come in, and who leaves for it.

    At the address's own cap it is its oldest connection that has not sent a whole message. At the cap of all it is the
    oldest such connection of anyone, else, as a whole message proves little, the longest silent one of the address that
    has most; where everybody has one and is at work there is no room.
    """
    unproven = [connection for connection in present if not connection.conversation.proven]
    own = [connection for connection in unproven if connection.address == address]
    if len(own) >= limits.unproven_per_address:
        return True, min(own, key=lambda connection: connection.opened)
    if len(present) < limits.connections:
        return True, None
    if unproven:
        return True, min(unproven, key=lambda connection: connection.opened)
    crowd, size = Counter(connection.address for connection in present).most_common(1)[0]
    idle = [connection for connection in present if connection.address == crowd and not connection.conversation.busy]
    if size > 1 and idle:
        return True, min(idle, key=lambda connection: connection.last_seen)
    return False, None


def heaviest(present: Iterable[Connection]) -> Connection | None:
    """Return the connection with the longest unfinished frame, of the address that holds most of them in all."""
    held: Counter[str] = Counter()
    longest: dict[str, Connection] = {}
    for connection in present:
        size = connection.conversation.held_bytes
        held[connection.address] += size
        if size > (longest[connection.address].conversation.held_bytes if connection.address in longest else 0):
            longest[connection.address] = connection
    return longest.get(held.most_common(1)[0][0]) if held else None
