"""DICOM over HTTP: queries as identifiers, data sets as JSON, objects as multipart. Source: PS3.18.

Imported by web. A QIDO-RS search becomes the same identifier that C-FIND sends, so that both doors have one set of
matching rules and one rule for who sees what.
"""
