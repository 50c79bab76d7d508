"""Run as `python -m tlimb.export [--check]`."""

import sys

from tlimb.export import main

sys.exit(main(sys.argv[1:]))
