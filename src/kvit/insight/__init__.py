"""Reads across the contexts, for pages that answer one question from many places."""
