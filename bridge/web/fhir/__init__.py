"""The FHIR server at /fhir/r4 and /fhir/r5: one file for each thing it does, joined in `routes.py`.

What the bridge knows is read and searched here, orders are taken, and whoever wants to be told says so. A resource is made
of the rows as they are at that moment, so nothing is stored twice; only bound studies speak. A route that a neighbour
adds is a blueprint of its own in a file of its own, named in `routes.py`.
"""
