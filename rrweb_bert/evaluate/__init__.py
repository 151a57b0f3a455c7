"""How well a model fills in what was masked, on sites that it has not seen, and beside baselines.

`batches` draws the windows and masks, always the same; a predictor (`predictors`, `ngrams`,
`copying`) says what stands at the masked positions; `judging` compares, and asks the grammar;
`tallies` adds up by session and group of tokens; `intervals` draws sessions anew; `report` and
`page` tell it. `command` puts them together: `python -m rrweb_bert evaluate MODEL DATA`.
"""
