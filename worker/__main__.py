"""`python -m worker <command>`: what an operator or a developer does from a terminal."""

import sys

from worker.commands import main

if __name__ == "__main__":
    sys.exit(main())
