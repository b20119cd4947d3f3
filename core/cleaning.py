"""Text from outside on its way out: to a terminal, into a table that a spreadsheet opens, into messages and files."""

import re

REPLACED = "\ufffd"
# What a terminal obeys instead of showing it: control characters but for tab and line feed, marks that turn the
# direction of writing, line separators; and halves of characters, which cannot be encoded.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = re.compile(r"[=+\-@\t\r\n]")  # what begins one in a spreadsheet
USER = re.compile(r"(?<=://)[^/?#]*@")


def for_terminal(text: str) -> str:
    """The text, with all that a terminal would obey replaced."""
    return OBEYED.sub(REPLACED, text)


def for_csv(text: str) -> str:
    """A cell of text that no spreadsheet takes for a formula; numbers are for the writer to format."""
    return for_terminal(f"'{text}" if FORMULA.match(text) else text)


def public(url: str) -> str:
    """An address without what identifies its user: name and password, query and fragment."""
    return USER.sub("", re.split(r"[?#]", url, maxsplit=1)[0])
