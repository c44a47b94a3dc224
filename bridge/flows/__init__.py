"""One file, one thing the product does. A transaction opens here, closes here, and no network write happens inside it.

Imports codecs, mapping, domain, store and outbox.enqueue; never a listener, a publisher or a web page: those call us, or
are handed in as ports. A flow that only takes part in another's transaction takes `tx` and never commits.
"""
