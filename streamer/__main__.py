"""``python -m streamer`` is ``perpetuo``."""

import sys

from streamer.cli import main

sys.exit(main())
