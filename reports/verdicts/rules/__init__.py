"""The decision rules. A rule is one file with a `VerdictRule`; being in this folder is all that it takes to be applied.

Rules are tried by `precedence`, lowest first. The table in README is made of them; a test holds it equal.
"""
