"""The colours and markers of plots and pages. Colours: Okabe & Ito 2008, which colour-blind readers can tell apart.

The last two are ours: black would vanish on a dark page, and their yellow is faint on white.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8F98", "#7B5EA7")
MARKERS = "osD^Pv*"
INK, QUIET, LINE = "#1b1f24", "#59616b", "#dfe3e8"
