"""What pages and lists show: rows joined for a reader's eye, by indexed look-ups and keyset pages, never by scans.

Imported by web. A page of fifty rows costs a handful of statements however many rows there are; each list is ordered
by its row key, newest first, so that a cursor is one number and stays right while rows arrive.
"""
