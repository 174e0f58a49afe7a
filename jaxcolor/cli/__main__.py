"""`python -m jaxcolor.cli` is `jaxcolor`."""

import sys

from jaxcolor.cli import main

if __name__ == '__main__':
    sys.exit(main())
