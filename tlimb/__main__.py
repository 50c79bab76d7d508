"""Run the command line as `python -m tlimb`."""

from tlimb.cli import main

if __name__ == "__main__":
    main()
