"""`python -m sunetlab`: the command line."""

from sunetlab.cli.main import main

if __name__ == "__main__":
    main()
