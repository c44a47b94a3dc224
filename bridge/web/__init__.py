"""The HTTP doors in: console, REST, FHIR, DICOMweb, health and metrics.

Imported by `building`, roles and commands; imports flows, codecs, outbox, store (reading) and domain. Every route
declares the permission it needs (`access.needs`), and one that declares none cannot be registered: forgetting is a
start-up error, not a hole.
Flask behind uvicorn with a gateway of our own (`gateway.py`): request bodies are complete, capped and in time before a
thread sees them, so a stalled client costs a socket, never a thread.
"""
