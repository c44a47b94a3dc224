"""The four roles a node can take, one module each: an object with start and stop over one `House`.

Top floor, beside the command line. A module of its own for each, loaded by name, so that a process imports only what its
role needs: four processes start together, and imports are most of a start.
"""
