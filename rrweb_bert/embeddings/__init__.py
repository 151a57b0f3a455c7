"""Recordings or a prepared corpus -> one Parquet file of vectors, resumable.

`pieces` says what is to be encoded, `parts` holds what is encoded so far, `merging` makes the file
of it, `labels` joins columns of the user's, `layout` says what the file holds, `job` runs it all.
"""
