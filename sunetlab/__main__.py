"""`python -m sunetlab`: the command line."""

import sys

if __name__ == "__main__":
    try:
        from sunetlab.cli.main import main

        main()
    except KeyboardInterrupt:  # while the command line itself was being imported: nothing has begun
        sys.exit(130)
