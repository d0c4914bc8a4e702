"""A verdict's sentence, in the two parts that a page tells apart."""


def parts(sentence: str) -> tuple[str, str]:
    """What is claimed, and the figures for it; together they are the sentence.

    >>> parts("a is better than b by 1.00 points (95 % interval …).")
    ('a is better than b by 1.00 points', ' (95 % interval …).')
    >>> parts("No conclusion on a against b: 0.20 points (…).")
    ('No conclusion on a against b:', ' 0.20 points (…).')
    """
    found = [at for at in (sentence.find(" ("), sentence.find(": ") + 1) if at > 0]
    at = min(found, default=len(sentence))
    return sentence[:at], sentence[at:]
