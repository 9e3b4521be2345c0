"""streammon in Python: what `from streammon import …` gives, and what the commands call.

`learning` learns a scene and merges fits (`fit`, `merge`), `scoring` loads one and scores footage (`score`), `scenes`
is the object of both. `validating` validates one (`fit --validate`), `reviewing` learns what operators called normal
(`fit --from-review`), and `evaluating` evaluates on labelled footage (`eval`); `paths` and `models` read their
arguments. Each module is imported with the first use of what it defines (`streammon.__getattr__`), so this package
imports none of them. `README.md` has examples, which the tests run.
"""
