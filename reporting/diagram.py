"""A picture of networks' blocks, side by side: an SVG file, drawn from their graphs. Light: imports no torch.

Data flows downwards. What every path passes stands in the middle; a path that leaves it gets a column of its own, or,
where nothing lies on it, a curve at the side: that is the skip.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..models.graphs import Node

BOX, HEIGHT, ROW, COLUMN = 126, 30, 54, 146  # pixels: a box's width and height, and from one to the next
RADIUS = 13  # of a circle for + or ×
BULGE, LANE = 26, 16  # how far a curve runs beside the boxes, and from one curve to the next
MARGIN, HEADER = 22, 66
COLOURS = {  # fill and line
    "input": ("#ffffff", "#9aa0a6"),
    "output": ("#ffffff", "#9aa0a6"),
    "conv": ("#dce8fb", "#3d6fc2"),
    "norm": ("#eef0f2", "#80868b"),
    "act": ("#fdeacc", "#cc861a"),
    "join": ("#ffffff", "#202124"),
    "pool": ("#e9e0f7", "#7a56c0"),
    "other": ("#ddf1e1", "#3f9155"),
}
ENDS = ("input", "output")
SKIP, EDGE, TEXT, FAINT = "#c2255c", "#5f6368", "#202124", "#5f6368"
STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;text-anchor:middle}"
    f".title{{font-size:15px;font-weight:600;fill:{TEXT}}}.note{{font-size:11.5px;fill:{FAINT}}}"
    f".label{{font-size:12.5px;fill:{TEXT}}}.skip{{font-size:11.5px;fill:{SKIP}}}"
    f".shape{{font-size:11px;fill:{FAINT};text-anchor:start;paint-order:stroke;stroke:#fff;stroke-width:3px}}"
)


class Panel(NamedTuple):
    """A block with its heading: the network's name, and what kind it is."""

    title: str
    note: str
    nodes: "Sequence[Node]"


class Placed(NamedTuple):
    """A node and the centre of its box, in pixels from the middle of its panel's top."""

    node: "Node"
    x: float
    y: float
    width: float

    @property
    def top(self) -> float:
        return self.y - (RADIUS if self.is_round else HEIGHT / 2)

    @property
    def bottom(self) -> float:
        return self.y + (RADIUS if self.is_round else HEIGHT / 2)

    @property
    def is_round(self) -> bool:
        return self.node.kind == "join" and len(self.node.label) == 1

    @property
    def half(self) -> float:
        return RADIUS if self.is_round else self.width / 2


def diagram(panels: Sequence[Panel]) -> str:
    """The picture, as the text of an SVG file: shapes (C, H, W) stand at the edges where they change."""
    drawn = [_Drawing(panel) for panel in panels]
    width = sum(one.left + one.right for one in drawn)
    height = max(one.height for one in drawn)
    parts, at = [], 0.0
    for one in drawn:
        parts.append(f'<g transform="translate({at + one.left:g} 0)">{"".join(one.parts())}</g>')
        at += one.left + one.right
    names = escape(" beside ".join(panel.title for panel in panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" style="max-width:100%;height:auto" role="img" aria-label="{names}">\n'
        f"<title>{names}</title>\n<style>{STYLE}</style>\n"
        f"<defs>{_arrow('edge', EDGE)}{_arrow('skip', SKIP)}</defs>\n"
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


class _Drawing:
    """One panel: everything in it has its place."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        nodes = {node.name: node for node in panel.nodes}
        ranks: dict[str, int] = {}
        for node in panel.nodes:  # sources come first
            ranks[node.name] = 1 + max((ranks[name] for name in node.inputs), default=-1)
        columns, self.is_wide = _columns(panel.nodes, ranks)
        span = (max(columns.values()) - min(columns.values())) * COLUMN + BOX
        self.places = {
            name: Placed(
                node,
                columns[name] * COLUMN,
                HEADER + HEIGHT / 2 + ranks[name] * ROW,
                span if node.label == "concat" and self.is_wide else BOX if node.kind not in ENDS else 44,
            )
            for name, node in nodes.items()
        }
        self.beside = [edge for edge in self._edges() if self._is_blocked(*edge)]
        taken = BULGE + LANE * len(self.beside) + 16 if self.beside else 34
        self.left = -min(columns.values()) * COLUMN + BOX / 2 + MARGIN
        self.right = max(columns.values()) * COLUMN + BOX / 2 + taken + MARGIN / 2
        heading = 4 * max(len(panel.title) * 1.15, len(panel.note) * 0.82) + MARGIN / 2
        self.left, self.right = max(self.left, heading), max(self.right, heading)
        self.height = max(place.bottom for place in self.places.values()) + MARGIN

    def parts(self) -> Iterator[str]:
        yield f'<text class="title" y="26">{escape(self.panel.title)}</text>'
        yield f'<text class="note" y="44">{escape(self.panel.note)}</text>'
        for source, target in self._edges():
            yield self._beside(source, target) if (source, target) in self.beside else self._edge(source, target)
        for place in self.places.values():
            yield _box(place)
        for place in self.places.values():
            if self._is_news(place.node):
                yield _shape(place)

    def _edges(self) -> Iterator[tuple[Placed, Placed]]:
        for place in self.places.values():
            for name in place.node.inputs:
                yield self.places[name], place

    def _is_blocked(self, source: Placed, target: Placed) -> bool:
        """Whether the edge would run through a box on its way down, which is in the source's column or the target's."""
        if source.x == target.x:
            return any(other.x == source.x and source.y < other.y < target.y for other in self.places.values())
        column = source.x if target.is_round or target.width > BOX else target.x
        between = (other for other in self.places.values() if other not in (source, target))
        return any(other.x == column and source.y < other.y <= target.y for other in between)

    def _is_news(self, node: "Node") -> bool:
        """Whether the shape is another one than that of all that the node reads. Both ends of the block always tell."""
        if node.kind in ENDS:
            return True
        is_last = any(node.name in end.node.inputs for end in self.places.values() if end.node.kind == "output")
        return not is_last and {self.places[name].node.shape for name in node.inputs} != {node.shape}

    def _beside(self, source: Placed, target: Placed) -> str:
        """Beside the boxes, from under the source to the target's side. What the block takes is its skip."""
        right = max(place.x for place in self.places.values()) + BOX / 2
        lane = right + BULGE + LANE * self.beside.index((source, target))
        start, end, bend = source.bottom + 9, target.y, 20
        path = (
            f"M{source.x:g} {start:g}H{lane - bend:g}Q{lane:g} {start:g} {lane:g} {start + bend:g}V{end - bend:g}"
            f"Q{lane:g} {end:g} {lane - bend:g} {end:g}H{target.x + target.half + 2:g}"
        )
        if source.node.kind != "input":
            return _line(path)
        middle = (start + end) / 2
        return (
            f'<path d="{path}" fill="none" stroke="{SKIP}" stroke-width="2.2" marker-end="url(#skip)"/>'
            f'<text class="skip" transform="translate({lane + 7:g} {middle:g}) rotate(90)">identity</text>'
        )

    def _edge(self, source: Placed, target: Placed) -> str:
        start, end = source.bottom, target.top - 2
        if source.x == target.x or target.width > BOX:
            path = f"M{source.x:g} {start:g}V{end:g}"
            if source.x != target.x and source.width > BOX:
                path = f"M{target.x:g} {start:g}V{end:g}"
        elif target.is_round:
            side = target.x + (RADIUS + 2 if source.x > target.x else -RADIUS - 2)
            path = f"M{source.x:g} {start:g}V{target.y - 20:g}Q{source.x:g} {target.y:g} {side:g} {target.y:g}"
        else:
            middle = start + min(end - start, ROW - HEIGHT) / 2
            turn = start + min(end - start, ROW - HEIGHT)
            path = f"M{source.x:g} {start:g}C{source.x:g} {middle:g} {target.x:g} {middle:g} {target.x:g} {turn:g}"
            path += f"V{end:g}" if turn < end else ""
        return _line(path)


def _columns(nodes: "Sequence[Node]", ranks: dict[str, int]) -> tuple[dict[str, float], bool]:
    """The column of each node, 0 in the middle; and whether there are several of equal standing."""
    chains = _chains([node for node in nodes if node.name not in _trunk(nodes)], ranks)
    columns: dict[str, float] = dict.fromkeys(ranks, 0.0)
    if len(chains) > 2:
        order = {node.name: number for number, node in enumerate(nodes)}
        chains.sort(key=lambda chain: order[chain[0]])
    offset = (len(chains) - 1) / 2 if len(chains) > 2 else 0.0
    for number, chain in enumerate(chains):
        columns |= dict.fromkeys(chain, number - offset)
    return columns, len(chains) > 2


def _trunk(nodes: "Sequence[Node]") -> set[str]:
    """The nodes that every path from the input to the output passes."""
    into: dict[str, int] = {}
    for node in nodes:
        into[node.name] = sum(into[name] for name in node.inputs) or 1
    out = dict.fromkeys(into, 0)
    out[nodes[-1].name] = 1
    for node in reversed(nodes):
        for name in node.inputs:
            out[name] += out[node.name]
    every = into[nodes[-1].name]
    return {name for name in into if into[name] * out[name] == every}


def _chains(nodes: "list[Node]", ranks: dict[str, int]) -> list[list[str]]:
    """The nodes as paths, the longest first."""
    chains, left = [], {node.name: node for node in nodes}
    while left:
        longest: dict[str, list[str]] = {}
        for name, node in left.items():
            before = max((longest[source] for source in node.inputs if source in longest), key=len, default=[])
            longest[name] = [*before, name]
        chain = max(longest.values(), key=len)
        chains.append(chain)
        for name in chain:
            del left[name]
    return chains


def _line(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{EDGE}" stroke-width="1.5" marker-end="url(#edge)"/>'


def _box(place: Placed) -> str:
    fill, line = COLOURS[place.node.kind]
    if place.is_round:
        outline = f'<circle cx="{place.x:g}" cy="{place.y:g}" r="{RADIUS}"'
    else:
        outline = (
            f'<rect x="{place.x - place.half:g}" y="{place.top:g}" width="{place.width:g}" height="{HEIGHT}" '
            f'rx="{HEIGHT / 2 if place.node.kind in ENDS else 6:g}"'
        )
    text = {"input": "x", "output": "y"}.get(place.node.kind, place.node.label)
    label = f'<text class="label" x="{place.x:g}" y="{place.y + 4.5:g}">{escape(text)}</text>'
    return f'{outline} fill="{fill}" stroke="{line}" stroke-width="1.4"/>{label}'


def _shape(place: Placed) -> str:
    """Beside the edge that leaves a box, and beside the ends of the block."""
    text = "×".join(map(str, place.node.shape))
    x, y = (place.half + 8, place.y + 4) if place.node.kind in ENDS else (7, place.bottom + 16)
    return f'<text class="shape" x="{place.x + x:g}" y="{y:g}">{text}</text>'


def _arrow(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5L7 4L0 7.5z" fill="{colour}"/></marker>'
    )
