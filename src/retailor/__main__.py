"""`python -m retailor`."""

from retailor.cli import main

main()
