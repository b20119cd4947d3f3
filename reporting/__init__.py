"""Measurements for people: Markdown, CSV, JSON, one offline HTML page, and a plot of accuracy against latency."""

from .build import build as build
from .rows import Report as Report
from .rows import Row as Row

__all__ = ["Report", "Row", "build"]
