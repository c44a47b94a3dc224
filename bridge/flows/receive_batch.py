"""A batch of messages: each is taken as if it had come alone, and all their answers go back as one batch.

A batch that is not whole is refused before any of it is applied; a bad message inside a whole one is its own affair.
Sent again, every message finds the answer it was given.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

from bridge.clock import Clock
from bridge.codecs.hl7 import batch
from bridge.errors import BridgeError
from bridge.flows.message_queue import MessageQueue
from bridge.flows.receive_message import Received

# Few enough to leave the queue to others, enough to share commits.
_AT_ONCE = 200


def receive_whole(queue: MessageQueue, clock: Clock, received: Received, answer_secs: float | None = None) -> bytes:
    """
    Take one message or one batch and return its answer; waits until all of it is committed or refused.

    answer_secs: for each part of a batch, None for ever. Raises: TimeoutError.
    """
    if received.fault is not None or not batch.is_batch(received.raw):
        return queue.submit(received).result(answer_secs)
    try:
        asked = batch.split(received.raw)
    except BridgeError as fault:
        return queue.submit(replace(received, fault=fault)).result(answer_secs)
    answers: list[bytes] = []
    messages = asked.messages
    for begin in range(0, len(messages), _AT_ONCE):
        waiting: list[Future[bytes]] = [
            queue.submit(replace(received, raw=raw)) for raw in messages[begin : begin + _AT_ONCE]
        ]
        answers += [future.result(answer_secs) for future in waiting]
    return batch.build_batch_answer(asked, answers, control_id=clock.new_id()[:20], at=clock.now())
