"""The composition root: settings, pages, API, command line."""
