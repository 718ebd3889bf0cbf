"""`python -m jaxlatent`: the command line."""

from jaxlatent.cli import main

raise SystemExit(main())
