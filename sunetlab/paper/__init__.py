"""The paper's claims, each computed and judged.

A claim is a row of data beside the function that computes it (`introduction.py` to `appendix.py`, in the paper's
order); `judge.py` derives every verdict from the row's figures and what the function found; `reconcile.py` searches
for the change of design that would bring the two together.
"""
