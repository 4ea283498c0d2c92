"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is no fault of the code: no example has a deadline. Examples are the same in every run, so
# that a red test is red again; RETAILOR_EXAMPLES=new draws others (by hand or nightly: `make test-slow`).
settings.register_profile("retailor", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None, derandomize=False)
settings.load_profile("new" if os.environ.get("RETAILOR_EXAMPLES") == "new" else "retailor")
