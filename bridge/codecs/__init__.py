"""Bytes to objects and back, for every language the house speaks: HL7 v2, DICOM, DICOM JSON, FHIR, X12, and the PDF of a packet.

Pure: no socket, no database, no clock, no thread. A shell (a listener, a publisher) moves the bytes; a codec only
reads and writes them, so each can be tested with nothing but bytes. Imports `bridge.domain` and `bridge.errors`;
anything above may import it.
"""
