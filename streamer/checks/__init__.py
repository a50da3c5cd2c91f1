"""What ``perpetuo check`` looks at: settings, bundle, ports, rights of the machine.

In: a settings file. Out: a :class:`Finding` for each thing that was looked at: well, or what to do
about it. Nothing is played and nothing is changed. One thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.checks.check import check_all
    from streamer.checks.finding import LABELS, Finding
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        check="check_all",
        finding="LABELS Finding",
    )

__all__ = ["LABELS", "Finding", "check_all"]
