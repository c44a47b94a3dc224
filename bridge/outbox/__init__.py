"""What must still leave the house: rows that are queued with the decision that asks for them, and the worker that sends them.

Flows import `enqueue` and `commitments`; publishers implement `publisher`; the role `worker` runs `worker`.
A delivery names a subject, never a payload: what is sent is built as things are when it is sent, so a hundred images
make a few updates, and a repeated delivery is harmless. Three beats: prepare (read transaction), send (none), settle
(write transaction). One delivery waits and one is in flight for each (topic, destination, order_of), held by two
partial unique indexes; a lease with a fencing token brings back what a dead process had in its hands.
"""
