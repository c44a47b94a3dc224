"""The command line, one module for each kind of command; `bridge/cli.py` joins them.

Argument parsing and printing, nothing else: what a command does stands in a flow. Every command has an example in its
help, `-c FILE` where it needs settings and `--json` where it prints data; exit status 0, 1 (it failed) or 2 (it was
called wrongly), errors on stderr in one sentence.
"""
