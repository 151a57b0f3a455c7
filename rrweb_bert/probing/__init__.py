"""What frozen vectors of sessions know: probes, retrieval, and baselines that could win."""
