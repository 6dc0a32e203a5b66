"""`python -m dmbench` is `dmbench`."""

from dmbench.cli import main

main()
