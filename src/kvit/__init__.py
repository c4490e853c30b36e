"""Kvit: an open billing platform, exact to the kopeck."""

__version__ = "0.1.0"
