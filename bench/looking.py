"""What the rounds of a comparison pay for being looked at: the confidence of each round's own interval.

A comparison ends when it knows enough, so it is looked at after every round, and who stops at a lucky moment is wrong
more often than the interval of that moment says. So Student's t interval of each round is a wider one, and what is
printed and decided by is right as often as it says, wherever the rounds end.

With a gate they end by the ratio itself. Then the intervals of all rounds hold the truth at once: round n may miss with
a share of 1 / n. These are repeated confidence intervals with Student's t in place of the normal (Jennison & Turnbull
2000, "Group Sequential Methods", section 4.4 and chapter 9); levels that fall as 1 / n have no last round, as the
boundaries of Robbins (1970, "Statistical Methods Related to the Law of the Iterated Logarithm") have none. A mixture
over effect sizes (Wang & Ramdas 2025, "Anytime-Valid t-Tests and Confidence Sequences for Gaussian Means with Unknown
Variance") needs no simulation, but is wider over the few rounds that most comparisons have.

Without a gate they end when the interval is narrow, which a spread that happens to look small hastens (Starr 1966, "The
Performance of a Sequential Procedure for the Fixed-Width Interval Estimation of the Mean"). The first look is before
any choice; all later ones pay alike.

Both were calibrated by simulation: `python -m reszoo.bench.validation.stopping` repeats it.
"""

LEAST_ROUNDS = 5  # before the first look
LATER = 0.4


def confidence_of_round(rounds: int, confidence: float, *, gated: bool) -> float:
    """Of the interval over so many rounds, so that the comparison has `confidence` wherever it ends."""
    if gated:
        return 1 - (1 - confidence) / rounds
    return confidence if rounds <= LEAST_ROUNDS else 1 - LATER * (1 - confidence)
