"""The doors out: what leaves the house, each as one `outbox.publisher.Publisher`, and the clients they speak through.

Imported by `building`, and by what calls others from a terminal. They read the store to prepare, speak to the outside
with no transaction open, and record what stands outside in the worker's own transaction. Every publisher looks first and
writes second: an answer that was lost must not become a second resource, so nothing here rests on a server honouring a
conditional create.
Only destinations from the settings are spoken to; redirects are never followed.
"""
