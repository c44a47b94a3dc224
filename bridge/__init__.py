"""Imaging Bridge: the one service between a clinic's EHR, its scanners and its payers.

Wire → codec → domain → flow → store → outbox → publisher, and never back up. README.md draws the rooms;
each room's own docstring says what lives there, who may import it, and the decision behind it.
"""

__version__ = "0.1.0"
