"""How little a model expected what happened: event by event, moment by moment, session by session."""
