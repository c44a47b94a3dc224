"""Nouns and decisions: frozen dataclasses, enums and plain functions.

Imports nothing but `bridge.errors` and the standard library, so every rule about patients, orders, steps, studies and
claims can be read and tested without a wire or a database. A draft (what a message says) lives beside the noun it
becomes. Names follow DICOM keywords in snake_case.
"""
