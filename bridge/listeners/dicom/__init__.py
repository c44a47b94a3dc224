"""The DICOM door: verification, worklist, performed steps, storage, Study Root query and retrieve.

`server.py` starts and stops it; `ports.py` says what it needs. Imported by wiring alone.

Decision: pynetdicom negotiates, keeps the upper layer's state machine and codes its PDUs; what was measured as unsafe
or slow in it is replaced in subclasses. One thread owns a connection from its first byte to its last: it reads, serves
and answers, so nothing polls, nothing is handed between threads, and a TLS socket has one user. DIMSE messages are
ours: fragments go to a spool file as they arrive, command sets are built by struct. Every name of pynetdicom that we
lean on stands in tests/contract/test_pynetdicom_private.py.
"""
