"""Embedded sessions -> an index, and what is found in it.

`layout` says what an index holds, `build` makes it, `neighbours` finds vectors, `words` texts,
`where` filters, `queries` turns a file or a text into a query, `why` says why a hit is one, and
`session_index` is all of it behind one class.
"""
