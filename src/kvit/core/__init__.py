"""The pure core: functions over frozen dataclasses; no Django, clock, network or randomness."""
