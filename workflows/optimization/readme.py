"""README.md of a search's folder: the choice, why, and what else there was."""

from ...bench.rounding import figure
from ...core.types import Artifact
from ...export.deployment.script import SCRIPT
from ...reporting.search import Search, SearchRow

SHOWN = 12  # candidates in the table; report.html has all


def readme(search: Search, artifact: Artifact | None) -> str:
    """For people who open the folder."""
    first = (_title(search), _choice(search, artifact), _test(search), *search.notes)
    parts = (*first, _gives(search), _table(search), _end(search))
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(search: Search) -> str:
    asked = "; ".join(search.limits) or "no limit"
    title = f"# {search.outcome}: {search.choice or search.nearest or 'nothing'}"
    return f"{title}\n\nAsked for: {asked}; the best {search.objective}."


def _choice(search: Search, artifact: Artifact | None) -> str:
    row = _row(search, search.choice)
    if row is None or artifact is None:
        return f"Nothing was written: {search.reason}."
    first = f"    reszoo predict artifact IMAGE... --runtime {row.runtime}"
    if any(file.name == SCRIPT for file in (*artifact.files, *artifact.extras)):
        first += f"\n    python artifact/{SCRIPT} IMAGE...      # where reszoo is not"
    pruned = f", {row.plan} of the multiply-adds," if row.plan else ""
    return (
        f"`artifact/` holds {row.network}{pruned} as {row.format}, {row.how}, for {row.runtime} "
        f"with {row.threads} thread{'s' * (row.threads != 1)}: {search.reason}.\n\n{first}"
    )


def _test(search: Search) -> str:
    if not (test := search.test):
        return (
            "No accuracy was measured: only what gives its source's answers was chosen from."
            if search.max_drop is None and search.objective != "accuracy"
            else ""
        )
    low, high = test.drop.low or 0.0, test.drop.high or 0.0
    lost = f"{100 * test.drop.value:.2f} points lost (95 %: {100 * low:.2f} to {100 * high:.2f})"
    is_ordered_by_cards = search.objective == "accuracy"
    chose = "which the accuracies on the networks' cards are of" if is_ordered_by_cards else "which chose nothing"
    return (
        f"On the {test.n:,} images of {test.split}, {chose}: {100 * test.accuracy.value:.2f} %, its source "
        f"{100 * test.source_accuracy.value:.2f} %; {lost}."
    )


def _gives(search: Search) -> str:
    return "\n".join(f"- {each}" for each in search.gives)


def _table(search: Search) -> str:
    seen = [row for row in search.rows if row.latency_s][:SHOWN]
    lines = ["| candidate | | ms | top-1 on val | MB | why |", "| --- | --- | --- | --- | --- | --- |"]
    for row in seen:
        latency = figure(1e3 * row.latency_s.value) if row.latency_s else ""
        top1 = f"{100 * row.accuracy.value:.2f} %" if row.accuracy else ""
        size = figure(row.size_bytes / 1e6) if row.size_bytes else ""
        lines.append(f"| {row.key} | {row.status} | {latency} | {top1} | {size} | {row.why} |")
    return "\n".join(lines) if seen else ""


def _end(search: Search) -> str:
    machine = search.machine
    return (
        f"{len(search.rows)} candidates and their fates are in report.html and result.json. "
        f"{search.minutes:.1f} minutes on {machine.get('processor', '')}, {machine.get('cores', '?')} cores."
    )


def _row(search: Search, key: str | None) -> SearchRow | None:
    return next((row for row in search.rows if row.key == key), None)
