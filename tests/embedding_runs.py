"""The command `embed` in this process, without a word."""

import pyarrow.parquet as pq

from rrweb_bert.embeddings.job import embed
from rrweb_bert.embeddings.options import EmbedOptions

QUIET = {"show_progress": False}


def run(data, output, encoder, said=None, **options):
    report = (lambda line: None) if said is None else said.append
    return embed(data, output, encoder, EmbedOptions(**QUIET, **options), report=report)


def column(path, name):
    return pq.read_table(path).column(name).to_pylist()
