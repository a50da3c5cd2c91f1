"""Work that waits for a disk, done beside the thread of a surface, which serves the others on.

In: what is to be done. Out: it is done in a thread of its own, or refused where too much waits
already. Threads of a disk that hangs are left to themselves: they keep no process from its end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamer.surfaces.desk import Refusal

if TYPE_CHECKING:
    import asyncio


class Aside:
    """Bounds what waits for a disk; any thread.

    Args:
        most: Works at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._free = most, threading.Semaphore(most)

    def start(self, work: Callable[[], object]) -> None:
        """Do something soon; it raises nothing.

        Raises:
            Refusal: 503 where as much as may be is at work.
        """
        if not self._free.acquire(blocking=False):
            raise Refusal(503, f"{self._most} wait for the disk already; try again in a moment")

        def run() -> None:
            try:
                work()
            finally:
                self._free.release()

        threading.Thread(target=run, name="disk", daemon=True).start()

    async def done(self, work: Callable[[], Any]) -> Any:
        """Do something, and return or raise what it does; the event loop goes on meanwhile.

        Raises:
            Refusal: As :meth:`start`.
        """
        import asyncio  # whoever has a loop has it; a start without one is 18 ms sooner

        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(settled: Callable[[Any], object], value: Any) -> None:
            if not future.done():  # whoever waited has left
                settled(value)

        def run() -> None:
            settled, value = future.set_result, None
            try:
                value = work()
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                settled, value = future.set_exception, error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, settled, value)

        self.start(run)
        return await future
