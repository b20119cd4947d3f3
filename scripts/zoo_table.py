"""The zoo's table for the site: every checkpoint with its card, what we measured of it, and how to get it."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import rows
from tables import TABLES

from reszoo import zoo
from reszoo.cli.output import count
from reszoo.core.types import ResNetSpec

V1, V2 = "1512.03385", "1603.05027"
PAPERS = {V1: "He et al. 2015", V2: "He et al. 2016", "1605.07146": "Zagoruyko & Komodakis 2016"}
HEADERS = ("checkpoint", "top-1", "parameters", "multiply-adds", "licence", "paper", "fastest, measured")
SORTS = {"": "name", "accuracy": "top-1", "params": "parameters", "macs": "multiply-adds", "latency": "latency"}


class Entry(NamedTuple):
    """What a checkpoint's line says. `source` is the page that says the accuracy; empty where we measured it."""

    card: zoo.ModelCard
    n: int
    source: str
    paper: str
    note: str
    size_bytes: int | None


def zoo_table(cards: Sequence[zoo.ModelCard]) -> str:
    """Raw HTML, without an empty line: Markdown would take that for its end. Of this machine's own there is none."""
    counted = {row["network"]: row for row in rows.accuracy()}
    fastest = {row["ref"]: row for row in rows.runtimes_best() if row["threads"] == 1}
    found = [_entry(card) for card in cards if card.where != "local"]
    lines = [_line(each, counted.get(each.card.ref), fastest.get(each.card.ref)) for each in found]
    heads = "".join(f'<th scope="col">{name}</th>' for name in HEADERS)
    return (
        f"{_filters(found)}\n"
        f'<table class="zoo" id="zoo">\n<thead><tr>{heads}</tr></thead>\n{"".join(lines)}</table>\n'
        '<script src="assets/zoo.js" defer></script>\n\n'
        "The fastest is that of all ways to run the checkpoint which we measured, one image at a time on one thread "
        f"([Formats and runtimes](runtimes.md)), on this machine:\n{TABLES['runtimes_host']}"
    )


def _entry(card: zoo.ModelCard) -> Entry:
    if known := zoo.cards().get(card.ref):
        said = known.accuracy
        source, n = (said.source, said.n) if said else ("", 0)
        return Entry(card, n, source, known.paper, known.note, known.size_bytes)
    checkpoint = zoo.load(card.ref)
    if not isinstance(checkpoint.spec, ResNetSpec):
        raise ValueError(f"{card.ref}: nothing here says which paper it is of")
    return Entry(card, checkpoint.metrics[0].n, "", V2 if checkpoint.spec.family == "v2" else V1, "", None)


def _line(each: Entry, counted: rows.Row | None, fastest: rows.Row | None) -> str:
    """A body of its own, of two rows, so that both are shown, hidden and moved together."""
    card = each.card
    cells = (
        f"<code>{card.ref}</code><small>{card.dataset}</small>",
        _accuracy(each, counted),
        count(card.params),
        count(card.macs),
        escape(card.licence),
        f'<a href="https://arxiv.org/abs/{each.paper}">{escape(PAPERS.get(each.paper, each.paper))}</a>',
        _fastest(fastest),
    )
    tags = [
        f'<th scope="row">{cells[0]}</th>',
        *(f'<td data-label="{name}">{cell}</td>' for name, cell in zip(HEADERS[1:], cells[1:], strict=True)),
    ]
    values = {
        "dataset": card.dataset,
        "licence": card.licence,
        "accuracy": card.accuracy if card.accuracy is not None else "",
        "params": card.params,
        "macs": card.macs,
        "latency": fastest["best_ms"] if fastest else "",
    }
    data = "".join(f' data-{name}="{escape(str(value))}"' for name, value in values.items())
    use = f'<tr class="use"><td colspan="{len(HEADERS)}">{_use(each)}</td></tr>'
    return f"<tbody{data}><tr>{''.join(tags)}</tr>{use}</tbody>\n"


def _accuracy(each: Entry, counted: rows.Row | None) -> str:
    if each.card.accuracy is None:
        return "<small>nobody says</small>"
    value = f"{100 * each.card.accuracy:.2f} %"
    if not each.source:
        return f"{value}<small>measured by us, n = {each.n:,}</small>"
    ours = f"<small>by us: {100 * counted['torch']:.2f} %, n = {counted['n']:,}</small>" if counted else ""
    return f'{value}<small><a href="{escape(each.source)}">published</a>, n = {each.n:,}</small>{ours}'


def _fastest(row: rows.Row | None) -> str:
    if not row:
        return ""
    more = (row["best"], f"{row['times'].value:.3g} times as fast as PyTorch", f"top-1 {row['best_top_1']}")
    return f"{row['best_ms']} ms" + "".join(f"<small>{escape(line)}</small>" for line in more)


def _use(each: Entry) -> str:
    ref, is_bundled = each.card.ref, each.card.where == "bundled"
    size = f", {each.size_bytes / 1e6:.3g} MB" if each.size_bytes else ""
    where = "It comes with reszoo, so that nothing is downloaded." if is_bundled else f"{escape(each.note)}"
    command = f"reszoo {'show' if is_bundled else 'download'} {ref}"
    return (
        f"<details><summary>{'Use it' if is_bundled else f'Get it{size}'}</summary><p>{where}</p>"
        f"<pre><code>{command}</code></pre>"
        f'<pre><code>checkpoint = reszoo.load("{ref}")</code></pre></details>'
    )


def _filters(found: list[Entry]) -> str:
    """They work with a script only, which shows them."""
    return (
        '<form class="zoo-filters" id="zoo-filters" role="search" autocomplete="off" hidden>\n'
        '<label class="wide">Search<input name="search" type="search" placeholder="resnet50 torchvision"></label>\n'
        f"{_select('Data set', 'dataset', _all(each.card.dataset for each in found))}\n"
        f"{_select('Licence', 'licence', _all(each.card.licence for each in found))}\n"
        f"{_select('Sort by', 'sort', SORTS)}\n"
        '<output id="zoo-count" aria-live="polite"></output>\n</form>'
    )


def _all(values: Iterator[str]) -> dict[str, str]:
    return {"": "all"} | {value: value for value in sorted(set(values))}


def _select(title: str, name: str, options: dict[str, str]) -> str:
    inner = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options.items())
    return f'<label>{title}<select name="{name}">{inner}</select></label>'
