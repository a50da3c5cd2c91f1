"""Say what may be heard: a filter is a function that keeps a phrase or names why it is dropped.

python examples/05-own-filter.py [OUT.mid] [SECONDS]
"""

import sys

from streamer import load_bundle, render
from streamer.music import Phrase
from streamer.selection import Context

out = sys.argv[1] if sys.argv[1:] else "narrow.mid"
seconds = float(sys.argv[2]) if sys.argv[2:] else 60.0


def two_octaves(phrase: Phrase, context: Context) -> str | None:
    """Keep phrases that one hand could nearly reach; the word is counted in the report."""
    pitches = [note.pitch for note in phrase.notes]
    return "wide" if pitches and max(pitches) - min(pitches) > 24 else None


report = render(load_bundle("piano"), out, seconds=seconds, seed=1, filters=[two_octaves])
print(f"{report['kept']} of {report['candidates']} candidates kept, dropped: {report['dropped']}")
print("given up for want of better:", report["relaxed"] or "nothing")
