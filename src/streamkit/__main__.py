"""`python -m streamkit`: the command line, where the script `streamkit` is not on the path."""

import sys

from ._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
