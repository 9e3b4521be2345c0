"""Labelled footage → numbers that can be trusted: the offline room.

`datasets` read and check a data set's own layout, `methods` learn and score it with the same scorer as live,
`metrics` measure the scores, each beside its null control and its interval, `report` shows what was found.
"""
