"""Plug-ins for reszoo, as another package brings them."""
