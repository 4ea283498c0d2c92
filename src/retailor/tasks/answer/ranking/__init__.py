"""Which passage answers, and whether any does: cases, two regressions, and how well they do."""
