"""The command line, as a module: ``python -m bench.casetrail``."""

from casetrail.cli.main import main

if __name__ == "__main__":
    main()
