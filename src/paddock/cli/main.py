"""The way in: `paddock`. Ctrl-C ends it without a traceback at any time, also while its parts are being imported."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from paddock.cli.app import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
