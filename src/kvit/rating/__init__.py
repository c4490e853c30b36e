"""Usage and terms turned into explained charges."""
