"""Usage events: taken in once, kept as they came, read in order."""
