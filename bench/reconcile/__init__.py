"""A synthetic hospital's messages and images played through the bridge, and its decisions held against the truth.

The hospital and its truth come from a generator outside this repository. `__main__` reads the command line, `hospital`
makes and reads one hospital, `pure` plays it through the engine alone, `doors` through the real front doors, `judge`
scores the decisions and prints the table.
"""
