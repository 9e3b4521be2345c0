"""streammon in Python: what `from streammon import …` gives, and what the commands call.

`learning` learns a scene (`fit`), `scoring` loads one and scores footage (`score`), `scenes` is the object of both,
and `evaluating` evaluates on labelled footage (`eval`). Each module is imported with the first use of what it defines
(`streammon.__getattr__`), so this package imports none of them. `README.md` has examples, which the tests run.
"""
