"""The forms in which JSON text holds recordings; `recording.find_sessions` chooses among them.

A form is a function that yields `FoundSession`: `event_list` for lists, `wrapper` for objects,
`lines` for JSON Lines, `segments` for Sentry's; `posthog` and `vendors` know what is special about
theirs, `packed` unpacks strings, `joining` puts the pieces of one session together.
"""
