"""Files, splits, shards and windows: from rrweb recordings on disk to fixed-length id windows."""
