"""Tensors beside those of a network that is whole without them: what they may be, and whether they can be left out."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .reading import State, ignored

SHOWN = 3


def surplus_error(strange: list[str], state: State, name: str, head: tuple[int, ...], what: str) -> UsageError:
    """What is said of tensors that are no part of a network.

    Args:
        strange: Their names. They lie in modules of their own.
        state: All weights.
        name: The network's, which has all the other tensors.
        head: The shape of its classifier, (classes, features); () where that is not known.
        what: Names the weights.
    """
    verb = "is" if len(strange) == 1 else "are"
    problem = f"{what}: {listed(strange)} {verb} no part of a {name}, which has all the others"
    options = " ".join(ignored(pattern) for pattern in _patterns(strange))
    if figures := _normalisation(strange, state):
        return UsageError(problem, f"They normalise the images: say so, {options} `preprocess={figures}`.")
    modules = [[state[each].shape for each in strange if _top(each) == module] for module in _tops(strange)]
    if head and all(_is_a_head(shapes, head) for shapes in modules):
        return UsageError(problem, f"They are other classifiers beside its own: leave them out, {options}.")
    return UsageError(
        problem,
        "Where the logits need them, it is another network. Where they do not, leave them out: `ignore` takes patterns "
        "of their names.",
    )


def are_apart(strange: list[str], state: State) -> bool:
    """Whether they are modules of their own beside the network's, and no part of its blocks."""
    return not set(_tops(strange)) & set(_tops(name for name in state if name not in strange))


def listed(strange: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    shown = ", ".join(strange[:SHOWN])
    return f"{shown} and {len(strange) - SHOWN} more tensors" if len(strange) > SHOWN else shown


def _top(name: str) -> str:
    return name.partition(".")[0]


def _tops(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(_top, names)))


def _patterns(strange: list[str]) -> list[str]:
    return list(dict.fromkeys(f"{_top(name)}.*" if "." in name else name for name in strange))


def _is_a_head(shapes: list[tuple[int, ...]], head: tuple[int, ...]) -> bool:
    """Whether a module ends with a linear layer that gives classes, or takes the features and gives something else.

    What gives as many values as there are features may stand in front of the classifier.
    """
    classes, features = head
    matrices = [shape for shape in shapes if len(shape) == 2]
    if not matrices or len(shapes[-1]) > 2:
        return False
    rows, columns = matrices[-1]
    return rows == classes or (columns == features != rows)


def _normalisation(strange: list[str], state: State) -> str:
    """The figures of a mean and a deviation, as `preprocess` takes them; "" where they are something else."""
    found = {word: [state[name] for name in strange if word in name.rpartition(".")[2]] for word in ("mean", "std")}
    values = {word: np.ravel(arrays[0]) for word, arrays in found.items() if len(arrays) == 1}
    if len(strange) != 2 or len(values) != 2 or not all(map(_are_figures, values.values())):
        return ""
    return ",".join(f"{word}={','.join(f'{figure:g}' for figure in figures)}" for word, figures in values.items())


def _are_figures(values: NDArray[Any]) -> bool:
    return len(values) in (1, 3) and bool(((values >= 0) & (values <= 1)).all())
