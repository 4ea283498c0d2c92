"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no fault of the code: no example has a deadline.
settings.register_profile("retailor", deadline=None)
settings.load_profile("retailor")
