"""``python -m wdualmine`` is the command line."""

from wdualmine.cli import main

if __name__ == "__main__":
    main()
