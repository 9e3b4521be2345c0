"""Offline evaluation on labelled footage.

`datasets` reads and checks the layouts of the data sets, `methods` learns and scores with the scorer of live cameras,
`referee` measures scores that any other method computed, `metrics` computes each figure with its null control and its
interval, `report` shows the results.
"""
