"""What a role or a command runs, built over one `House`: flows with their ports, publishers with their clients.

`bridge.wiring` makes the house; here each module joins what one subject needs of it, as the settings say. Imported by
roles, commands, start, housekeeping and the check of peers; nothing here decides anything.
"""
