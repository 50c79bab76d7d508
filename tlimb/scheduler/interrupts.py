"""SIGINT and SIGTERM as an exception, for whoever has to wind down in order."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class SignalledError(BaseException):
    """A signal asked this process to stop; no ordinary error, so nothing that handles errors swallows it.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        """Keep the number."""
        self.number = number


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into an exception, in the main thread; elsewhere the caller has its own way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: Any) -> None:
        raise SignalledError(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
