"""Pages for people: a session with its surprise, a training run with its curves."""
