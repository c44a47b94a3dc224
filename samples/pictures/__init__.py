"""Drawings that look like what each device makes, in plain Python: grids of grey values or RGB rows.

Nobody was ever in front of these scanners. No array library: the product needs none, and the demo runs on its lock.
"""
