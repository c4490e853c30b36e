"""`python -m kvit`: what the launcher runs."""

import sys

from kvit.web.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
