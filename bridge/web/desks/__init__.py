"""The console's pages, one module for each desk. A view reads the form, calls a flow or a listing, redirects or renders.

Addresses hold row numbers only, never a name or an identifier; whatever a page shows of a patient is audited first.
"""
