"""Record what is played, and read it back as notes.

python examples/08-record.py [OUT.mid] [SECONDS]
"""

import sys

from streamer import Stream, load_bundle
from streamer.midi import read_midi

out = sys.argv[1] if sys.argv[1:] else "session.mid"
seconds = float(sys.argv[2]) if sys.argv[2:] else 30.0

# A port of its own; ["auto", f"file:{out}"] would play to both.
with Stream(load_bundle("piano"), port=f"file:{out}") as stream:
    stream.wait(seconds)

notes = read_midi(out)  # a numpy array with a row a note, times in ms
print(f"{len(notes)} notes in {notes['onset_ms'].max() / 1000:.1f} s")
print(f"pitches {notes['pitch'].min()}..{notes['pitch'].max()}")
print(f"loudest {notes['velocity'].max()}, pedal down at {notes['pedal'].mean():.0%} of them")
