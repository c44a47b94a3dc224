"""The doors in: MLLP and DICOM. Each moves bytes, keeps its protocol's promises and hands whole messages to a flow.

Imported by roles alone; imports flows, codecs and what lies below them; never web, never publishers.

Decision: every door assumes a hostile peer. Lengths are checked before memory is taken, each wait has an end, each kind
of connection has a cap, and an answer that promises something is sent only after the flow has returned.
"""
