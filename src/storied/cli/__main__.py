"""``python -m storied.cli``: the same as ``storied``, by the interpreter that runs it."""

import sys

from storied.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
