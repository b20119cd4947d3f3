"""Whether a search of architectures beats drawing them at random, and whether skip connections survive in it.

Deb et al. 2002 (NSGA-II) as Optuna has it, Zitzler & Thiele 1999 (the area under a front), Real et al. 2019 (evolution
beats random search), Li & Talwalkar 2019 (random search is hard to beat).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise, product
from pathlib import Path
from random import Random
from shutil import rmtree
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from .engine.deployed import timed
from .engine.designs import SMOKE
from .engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Region,
    Scale,
    Settings,
    Where,
    above,
    between,
    name_of,
    within,
)
from .engine.study import Study, grid
from .engine.trials import trial

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Choice = Mapping[str, str | int]  # a value for each name in `SPACE`

STAGES = range(3)
MOST_BLOCKS = 3  # of a stage
SKIPS = {  # a way to join shortcut and branch, and how strong its gates are at first
    "identity": "identity",
    "scale": "scale",
    "channel_weight": "channel_weight",
    "attention": "attention",
    "skipinit": "skipinit",
    "gate": "gate",
    "gate-3": "gate+gate_bias=-3",
    "gate-6": "gate+gate_bias=-6",
}
# Which blocks of a stage keep their skips, "101" all but the second. There may be fewer blocks: then the first of them.
PATTERNS = tuple("".join(bits) for bits in product("10", repeat=MOST_BLOCKS))
SPACE: dict[str, tuple[str | int, ...]] = {
    "skip": tuple(SKIPS),
    **{f"kept_{stage}": PATTERNS for stage in STAGES},
    **{f"depth_{stage}": tuple(range(1, MOST_BLOCKS + 1)) for stage in STAGES},
    **{f"width_{stage}": (4 << stage, 8 << stage, 16 << stage) for stage in STAGES},
}
SEARCHES = ("nsga2", "random")
BUDGETS: dict[Scale, int] = {"smoke": 3, "cpu": 24, "gpu": 48}  # networks of a search
POPULATIONS: dict[Scale, int] = {"smoke": 2, "cpu": 8, "gpu": 12}
HAND: dict[Scale, tuple[int, ...]] = {"smoke": (1,), "cpu": (1, 2, 3), "gpu": (1, 2, 3)}  # blocks a stage
TOY_BUDGET, TOY_POPULATION = 400, 20
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 1, "cpu": 10, "gpu": 10},
    "cifar10": {"smoke": 0.5, "cpu": 0.5, "gpu": 10},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
CHANCE = 10.0  # %, of the ten classes
SLOWEST = {"digits": 6.0, "cifar10": 3.0}  # times the bundled network's latency: what is slower is worth nothing
TENTHS = 10
SEEDS_APART = 10_000  # more than any budget


class Found(NamedTuple):
    """A choice, and what came of it: `gain` is to be large and `cost` small, both from 0 to 1.

    test    the network's accuracy on test, %
    images  that it was trained with
    """

    choice: Choice
    gain: float
    cost: float
    test: float = 0.0
    images: int = 0


Evaluate = Callable[[Choice, int], Found | None]  # the number of the proposal goes with it; None is a failure


def _networks(metric: str, search: str | tuple[str, ...], region: Region, against: str | None = None) -> Contrast:
    where: Where = {"problem": "networks", "search": search}
    return Contrast(metric=metric, where=where, against={"search": against} if against else None, region=region)


CLAIMS = (
    Claim(
        key="search-beats-random",
        hypothesis="The front of NSGA-II is better than that of as many random networks, by 0.02 of the whole area.",
        textbook="evolution finds the best patterns of skip connections",
        paper="Real 2019: evolution beats random search; Li 2019: random search is hard to beat",
        contrast=_networks("hypervolume", "nsga2", above(0.02), "random"),
    ),
    Claim(
        key="search-beats-by-hand",
        hypothesis="It is better than that of three networks with usual widths, by 0.02 of the whole area.",
        textbook="evolution finds the best patterns of skip connections",
        paper="",
        contrast=_networks("hypervolume", "nsga2", above(0.02), "by-hand"),
    ),
    Claim(
        key="best-is-more-accurate",
        hypothesis="The most accurate network of NSGA-II is better on test than that of random search, by a point.",
        textbook="",
        paper="",
        contrast=_networks("best_test", "nsga2", above(1), "random"),
    ),
    Claim(
        key="skips-survive",
        hypothesis="In the most accurate network more than two thirds of the blocks keep their skips.",
        textbook="modern networks have skip connections everywhere",
        paper="He 2015: on ImageNet a plain network of 18 layers is as good",
        contrast=_networks("best_kept", SEARCHES, above(2 / 3)),
    ),
    Claim(
        key="skips-survive-on-the-front",
        hypothesis="So they do in the networks of the front.",
        textbook="modern networks have skip connections everywhere",
        paper="",
        contrast=_networks("front_kept", SEARCHES, above(2 / 3)),
    ),
)


def _toy(problem: str, search: str, region: Region, against: str | None = None) -> Contrast:
    where: Where = {"problem": problem, "search": search}
    return Contrast(metric="hypervolume", where=where, against={"search": against} if against else None, region=region)


CONTROLS = (
    Control(
        key="known-front",
        kind="positive",
        says="a problem whose front is known, and has whole stages alone: an area of 35 / 48",
        contrast=_toy("structured", "whole-stages", between(0.7291, 0.7292)),
    ),
    Control(
        key="finds-structure",
        kind="positive",
        says="NSGA-II less random search, where every choice has its own share in the answer",
        contrast=_toy("structured", "nsga2", above(0), "random"),
    ),
    Control(
        key="finds-none",
        kind="negative",
        says="the same where the answer has nothing to do with the choices",
        contrast=_toy("noise", "nsga2", within(0.02), "random"),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    return [
        {"problem": "structured", "search": "whole-stages"},
        *grid({"problem": ("structured", "noise"), "search": SEARCHES}),
        *grid({"problem": ("networks",), "search": (*SEARCHES, "by-hand")}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    problem, how = str(condition["problem"]), str(condition["search"])
    if problem == "networks":
        return _measured(_search_networks(condition, how, seed, settings))
    if how == "whole-stages":
        found = [structured(choice) for choice in whole_stages()]
    else:
        evaluate: Evaluate = _noise(how, seed) if problem == "noise" else lambda choice, _: structured(choice)
        found = _known(search(how, evaluate, TOY_BUDGET, TOY_POPULATION, seed))
    return Measured(values={"hypervolume": hypervolume(found)})


def _search_networks(condition: Condition, how: str, seed: int, settings: Settings) -> list[Found | None]:
    scale = settings.scale
    if how == "by-hand":
        return [network(by_hand(blocks), seed, settings) for blocks in HAND[scale]]

    def evaluate(choice: Choice, _: int) -> Found | None:
        return network(choice, seed, settings)

    with _journal(condition, seed, settings) as journal:
        return search(how, evaluate, BUDGETS[scale], POPULATIONS[scale], seed, journal)


def search(
    how: str, evaluate: Evaluate, budget: int, population: int, seed: int, journal: Path | None = None
) -> list[Found | None]:
    """Propose so many choices, one after the other, and see what comes of each; None where nothing did.

    A proposal depends on the seed, on its number and on what came of those before. So a search that is killed goes on
    from its journal as if nothing had been, and searches of one seed begin with the same population.
    """
    from ..core.missing import require

    require("optuna", "to search architectures", extra="search")
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    from ..core.silence import quietly

    over = (TrialState.COMPLETE, TrialState.FAIL)
    space: dict[str, BaseDistribution] = {name: CategoricalDistribution(values) for name, values in SPACE.items()}
    with quietly():
        storage = JournalStorage(JournalFileBackend(str(journal))) if journal else InMemoryStorage()
        study = optuna.create_study(
            storage=storage, study_name=how, directions=("maximize", "minimize"), load_if_exists=True
        )
    while (number := len(study.get_trials(deepcopy=False, states=over))) < budget:
        study.sampler = _sampler(how, population, SEEDS_APART * seed + number)
        proposed = study.ask(space)
        if found := evaluate(proposed.params, number):
            proposed.set_user_attr("test", found.test)
            proposed.set_user_attr("images", found.images)
            study.tell(proposed, (found.gain, found.cost))
        else:
            study.tell(proposed, state=TrialState.FAIL)
    return [
        Found(each.params, *each.values, **each.user_attrs) if each.state == TrialState.COMPLETE else None
        for each in study.get_trials(deepcopy=False, states=over)
    ]


def _sampler(how: str, population: int, seed: int) -> "BaseSampler":
    from optuna.samplers import NSGAIISampler, RandomSampler

    return NSGAIISampler(population_size=population, seed=seed) if how == "nsga2" else RandomSampler(seed)


@contextmanager
def _journal(condition: Condition, seed: int, settings: Settings) -> Iterator[Path]:
    """Of this search in this version of the study, in the cache; it is removed when the search is done."""
    from ..core.files import cache_dir
    from ..core.locks import locked

    name = f"{STUDY.version(settings)[:12]}-{settings.data}-{settings.scale}-{name_of(condition)}.{seed}"
    folder = cache_dir() / "searches" / name
    with locked(folder):
        folder.mkdir(exist_ok=True)
        yield folder / "journal"
        rmtree(folder)


def network(choice: Choice, seed: int, settings: Settings) -> Found | None:
    """Train and time the network that was chosen; None where its training diverges."""
    from .. import zoo

    epochs, changes = EPOCHS[settings.data][settings.scale], SMOKE if settings.scale == "smoke" else {}
    with TemporaryDirectory(prefix="reszoo-") as name:
        folder = Path(name)
        trained = trial(arch_of(choice), settings, seed, epochs, changes, out=folder / "checkpoint")
        if trained.diverged:
            return None
        ratio = timed(zoo.read(folder / "checkpoint"), settings, seed, folder / "written")
    return Found(
        choice=choice,
        gain=max(trained.val[-1] - CHANCE, 0.0) / (100 - CHANCE),
        cost=min(ratio / SLOWEST[settings.data], 1.0),
        test=trained.accuracy,
        images=trained.images,
    )


def arch_of(choice: Choice) -> str:
    """Its name. A block without a skip is a plain one, and a network of these has no way to join one."""
    families = ",".join("v1" if is_kept else "plain" for is_kept in skips(choice))
    depths, widths = (",".join(str(choice[f"{what}_{stage}"]) for stage in STAGES) for what in ("depth", "width"))
    skip = SKIPS[str(choice["skip"])] if kept(choice) else "identity"
    stem = choice["width_0"]
    return f"resnet8_v1+skip={skip}+families={families}+depths={depths}+widths={widths}+stem_width={stem}"


def skips(choice: Choice) -> list[bool]:
    """Whether each block keeps its skip."""
    return [bit == "1" for stage in STAGES for bit in str(choice[f"kept_{stage}"])[: int(choice[f"depth_{stage}"])]]


def kept(choice: Choice) -> float:
    """The share of its blocks that keep their skips."""
    return fmean(skips(choice))


def by_hand(blocks: int) -> Choice:
    """The networks of the papers: 8, 14 and 20 layers of usual widths, with identities."""
    widths = {f"width_{stage}": 16 << stage for stage in STAGES}
    patterns = {f"kept_{stage}": PATTERNS[0] for stage in STAGES}
    return {"skip": "identity", **patterns, **{f"depth_{stage}": blocks for stage in STAGES}, **widths}


def whole_stages() -> Iterator[Choice]:
    """Every choice in which a stage keeps all of its skips, or none, joined by the identity or by what is not."""
    space = SPACE | {"skip": ("identity", "scale")} | {f"kept_{stage}": (PATTERNS[0], PATTERNS[-1]) for stage in STAGES}
    for values in product(*space.values()):
        yield dict(zip(space, values, strict=True))


def structured(choice: Choice) -> Found:
    """Half of the gain is in the skips, each with its share, and half in the size, which is the cost.

    So on the front are all sizes of k / 12 with all skips and identities: an area of the sum of (1 + k / 12) / 24.
    """
    sized = [f"{what}_{stage}" for what in ("depth", "width") for stage in STAGES]
    size = fmean(SPACE[name].index(choice[name]) / 2 for name in sized)
    skips = (3 * kept(choice) + (choice["skip"] == "identity")) / 4
    return Found(choice, (skips + size) / 2, size)


def _noise(how: str, seed: int) -> Evaluate:
    def evaluate(choice: Choice, number: int) -> Found:
        draw = Random(f"{how}/{seed}/{number}")  # noqa: S311 - an answer, not a secret
        return Found(choice, draw.random(), draw.random())

    return evaluate


def _known(found: Sequence[Found | None]) -> list[Found]:
    return [each for each in found if each]


def front(found: Sequence[Found]) -> list[Found]:
    """Those that are not beaten: any that is as cheap has less gain. The cheapest first."""
    best: list[Found] = []
    for each in sorted(found, key=lambda each: (each.cost, -each.gain)):
        if not best or each.gain > best[-1].gain:
            best.append(each)
    return best


def hypervolume(found: Sequence[Found]) -> float:
    """The area that the front dominates, of the square from no gain at the full cost: 1 is all of it."""
    best = front(found)
    ends = [*(each.cost for each in best), 1.0]
    return sum(each.gain * (end - start) for each, (start, end) in zip(best, pairwise(ends), strict=True))


def _measured(found: Sequence[Found | None]) -> Measured:
    known = _known(found)
    values = {"hypervolume": hypervolume(known), "failed": 1 - len(known) / len(found)}
    if known:
        best = front(known)[-1]
        values |= {
            "best_val": _percent(best.gain),
            "best_test": best.test,
            "best_kept": kept(best.choice),
            "front_kept": fmean(kept(each.choice) for each in front(known)),
        }
    return Measured(
        values=values,
        series={
            "growth": tuple(hypervolume(_known(found[: number + 1])) for number in range(len(found))),
            "reached": tuple(
                _percent(max((each.gain for each in known if each.cost <= tenth / TENTHS), default=0.0))
                for tenth in range(1, TENTHS + 1)
            ),
        },
        images=sum(each.images for each in known),
    )


def _percent(gain: float) -> float:
    return CHANCE + (100 - CHANCE) * gain


STUDY = Study(
    name="architecture-search",
    title="A search of architectures",
    question="Does a search of architectures beat random ones, and do skip connections survive in the best of them?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics={
        "hypervolume": "area under the front of accuracy on val against latency, of all there is",
        "failed": "share of networks whose training diverges",
        "best_val": "accuracy on val of the network that is best there, %",
        "best_test": "accuracy on test of the network that is best on val, %",
        "best_kept": "share of blocks that keep their skips, in the network that is best on val",
        "front_kept": "share of blocks that keep their skips, mean over the front",
        "growth": "area under the front of accuracy on val against latency, of all there is",
        "reached": "accuracy on val of the best network that is as fast, %",
    },
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    trains=True,
    figures=(
        Figure(
            name="growth",
            title="What a search has found",
            y="growth",
            x="position",
            where={"problem": "networks"},
            lines=("search",),
            x_title="networks that were tried",
        ),
        Figure(
            name="reached",
            title="Accuracy for the latency",
            y="reached",
            x="position",
            where={"problem": "networks"},
            lines=("search",),
            x_title="latency at most, in tenths of the slowest that counts",
        ),
    ),
    caveats=(
        "Choices are, of each stage, one to three blocks, which of these keep their skips, three widths; and one way "
        "to join for all. Of networks drawn at random, half of the blocks have skips.",
        "The slowest network that counts takes 6 times the bundled one's time on digits, 3 times on CIFAR-10.",
        "A few epochs, and 24 networks of 2,985,984: searches that are published try thousands.",
        "By hand there are three networks. The accuracy on test is used only of the network that is best on val.",
        "Times are measured, and decide what is proposed next: a search does not come out the same twice.",
    ),
    alone=True,
)
