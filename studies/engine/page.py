"""The page of a study: one screen of Markdown that says what was claimed, what was measured, and what follows."""

import re
from collections.abc import Iterable, Mapping, Sequence

from .records import Case, Checked, Finding, StudyResult, name_of
from .study import Study
from .verdicts import reach

HEADERS = ("claim", "textbook says", "paper says", "measured (95 % interval, n)", "verdict")
CONTROL_HEADERS = ("control", "kind", "measured (95 % interval, n)", "as it has to be")
HELD = {"supported": "yes", "refuted": "NO", "cannot tell": "not shown with so few runs"}
SPELLED = {"cannot tell": "cannot tell at this budget"}
COMMIT = re.compile(r"(?<=\()[0-9a-f]{7,40}\+?(?=\))")  # of reszoo, in a host
MOST_CASES = 8  # of a claim, that are shown


def page(study: Study, answer: StudyResult) -> str:
    """The whole page."""
    parts = [
        f"# {study.title}",
        study.question,
        _warning(answer),
        table(HEADERS, [_claim_row(study, finding) for finding in answer.findings]),
        _reading(answer),
        "## Controls",
        table(CONTROL_HEADERS, [_control_row(study, control) for control in answer.controls]),
        *(f"![{figure.title}]({figure.name}.svg)" for figure in study.figures),
        "## What this does not say" if study.caveats else "",
        "\n".join(f"- {caveat}" for caveat in study.caveats),
        "## Cost, and how to repeat it",
        _cost(answer),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def measured(case: Case) -> str:
    """ "1.19 (1.18 to 1.2, n = 5)"."""
    if case.mean is None:
        return "nothing that could tell (n = 0)"
    interval = "no interval" if case.low is None or case.high is None else f"{case.low:.3g} to {case.high:.3g}"
    return f"{case.mean:.3g} ({interval}, n = {case.n})"


def _warning(answer: StudyResult) -> str:
    failed = [checked.control.key for checked in answer.controls if checked.is_wrong]
    if not failed:
        return ""
    return f"**No verdict stands: {', '.join(failed)} came out wrong, so what the probes say means nothing here.**"


def _claim_row(study: Study, finding: Finding) -> tuple[str, ...]:
    claim = finding.claim
    contrast = claim.contrast
    what = study.metrics[contrast.metric] + (f", less that of {name_of(contrast.against)}" if contrast.against else "")
    return (
        f"{claim.hypothesis} (`{claim.key}`: {what} {contrast.region})",
        claim.textbook or "-",
        claim.paper or "-",
        _cases(finding.cases),
        spelled(finding),
    )


def spelled(finding: Finding) -> str:
    """The verdict, and of cases that differ how many are decided: "**conditional** (5 supported, 1 refuted, of 8)"."""
    word = f"**{SPELLED.get(finding.verdict, finding.verdict)}**"
    verdicts = [case.verdict for case in finding.cases]
    if len(set(verdicts)) < 2:
        return word
    decided = "".join(f"{n} {each}, " for each in ("supported", "refuted") if (n := verdicts.count(each)))
    return f"{word} ({decided}of {len(verdicts)})"


def _control_row(study: Study, checked: Checked) -> tuple[str, ...]:
    control = checked.control
    expected = f"{study.metrics[control.contrast.metric]} {control.contrast.region}"
    return f"{control.says} ({expected})", control.kind, _cases(checked.cases), HELD[checked.verdict]


def _cases(cases: Sequence[Case]) -> str:
    """A line each, with its own verdict where they differ."""
    differ = len({case.verdict for case in cases}) > 1
    lines = [
        f"{name_of(case.condition)}: {measured(case)}{f', {case.verdict}' if differ else ''}"
        for case in cases[:MOST_CASES]
    ]
    more = [f"and {len(cases) - MOST_CASES} more in result.json"] if len(cases) > MOST_CASES else []
    return "<br>".join([*lines, *more]) or "not measured at this scale, or on this machine"


def _reading(answer: StudyResult) -> str:
    cases = sum(len(finding.cases) for finding in answer.findings)
    seeds = answer.settings.seeds
    return (
        "A claim is supported where the mean lies in its region, refuted where it lies outside, each at 5 % over all "
        f"{cases} cases of this study together (Student's t, of shares the exact binomial test; Holm's correction); "
        "conditional where some cases support it and others refute it. Intervals are of single cases. Differences are "
        f"paired by seed.{_power(cases, seeds)}"
    )


def _power(cases: int, seeds: int) -> str:
    if not cases or seeds < 2:
        return ""
    return (
        f" With {seeds} seeds, the first of {cases} cases is decided where its mean lies at least "
        f"{reach(cases, seeds):.2g} standard deviations of what seeds change away from the ends of its region."
    )


def _cost(answer: StudyResult) -> str:
    settings = answer.settings
    again = f"reszoo study {answer.study} --scale {settings.scale} --data {settings.data} --seeds {settings.seeds}"
    return (
        f"{answer.runs} runs, {answer.core_minutes:.1f} core-minutes, {answer.images:,} images through a network."
        f"{_extremes(answer.core_s)}{_training(answer)} {'; '.join(machines(answer.hosts))}. What decides the runs has "
        f"the SHA-256 {answer.version[:16]}; every run is a file in `runs/`, or a line of `runs.jsonl`.\n\n    {again}"
    )


def machines(hosts: Sequence[str]) -> list[str]:
    """Hosts that differ only in the commit, with all of their commits: a study may go on over days."""
    commits: dict[str, list[str]] = {}
    for host in hosts:
        commits.setdefault(COMMIT.sub("{}", host, count=1), []).extend(COMMIT.findall(host)[:1])
    return [host.replace("{}", ", ".join(of_host)) for host, of_host in commits.items()]


def _extremes(core_s: Mapping[str, float]) -> str:
    """What an equal number of multiply-accumulates may hide."""
    if len(core_s) < 2:
        return ""
    cheapest, dearest = min(core_s, key=core_s.__getitem__), max(core_s, key=core_s.__getitem__)
    least, most = (core_seconds(core_s[which]) for which in (cheapest, dearest))
    return f" A run takes from {least} core-seconds ({cheapest}) to {most} ({dearest})."


def core_seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _training(answer: StudyResult) -> str:
    recipe = answer.recipe
    return f" Networks are trained by the recipe {recipe['name']}, in {recipe['precision']}." if recipe else ""
