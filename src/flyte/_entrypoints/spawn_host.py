"""A host whose children execute commands: other interpreters, other programs.

One serves all attempts that cannot be forked.  It runs in the control plane's interpreter and
imports next to nothing:

    python -P -m flyte._entrypoints.spawn_host --home FLYTE_HOME --id ID --connection FD
"""

import sys

from flyte._entrypoints.hosting import serve
from flyte._entrypoints.starters import Executer


def main() -> None:
    """Run the host until nobody needs it any more."""
    serve(sys.argv[1:], Executer())


if __name__ == "__main__":
    main()
