"""How little a model expected what happened: by event, by moment, by session."""
