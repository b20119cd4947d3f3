"""A study: of a coin whose bias is known."""

import random

from reszoo.studies import Claim, Contrast, Control, Measured, Study, above, below, grid

SIDES = {"fair": 0.5, "bent": 0.9}
TOSSES = 2000


def measure(condition, seed, settings):
    draw = random.Random(f"{condition['coin']}/{seed}")  # noqa: S311 - a coin, not a secret
    heads = sum(draw.random() < SIDES[condition["coin"]] for _ in range(TOSSES))
    return Measured(values={"heads": heads / TOSSES}, images=TOSSES)


def heads(coin, region):
    return Contrast(metric="heads", where={"coin": coin}, region=region)


STUDY = Study(
    name="example",
    title="A coin",
    question="Is the coin bent?",
    data=("digits",),
    seeds={"smoke": 5, "cpu": 10, "gpu": 10},
    metrics={"heads": "share of heads"},
    claims=(Claim(key="bent", hypothesis="it is bent", textbook="", paper="", contrast=heads("bent", above(0.6))),),
    controls=(
        Control(key="fair", kind="negative", says="a fair coin", contrast=heads("fair", below(0.55))),
        Control(key="seen", kind="positive", says="a bent coin", contrast=heads("bent", above(0.8))),
    ),
    conditions=lambda settings: grid({"coin": SIDES}),
    measure=measure,
    defined_in=__file__,
)
