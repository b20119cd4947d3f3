"""The page."""

from .search import Search


def search_page(search: Search) -> str:
    return repr(search)
