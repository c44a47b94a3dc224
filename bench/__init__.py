"""The product beside dcmtk and Orthanc on this machine, in one run: `make bench`.

Rates of one moment on one machine say little; what is reported is ratios between servers that were measured in turns,
with everything the product does (index, reconciliation, fsync) left on. Everything stays on loopback.
"""
