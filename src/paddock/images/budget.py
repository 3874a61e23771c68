"""What the layers of one image may take together, counted while they are unpacked side by side."""

from __future__ import annotations

import threading

from paddock.images.errors import ImageInvalid
from paddock.images.limits import MAX_ENTRIES, MAX_UNPACKED_BYTES


class Budget:
    """For several threads. Raises `ImageInvalid` when there is too little left."""

    def __init__(self, most_bytes: int = MAX_UNPACKED_BYTES, most_entries: int = MAX_ENTRIES) -> None:
        self._bytes_left = most_bytes
        self._entries_left = most_entries
        self._lock = threading.Lock()

    def take(self, *, size_bytes: int = 0, entries: int = 0) -> None:
        with self._lock:
            self._bytes_left -= size_bytes
            self._entries_left -= entries
            if self._bytes_left < 0:
                raise ImageInvalid("The image is larger than allowed when it is unpacked.")
            if self._entries_left < 0:
                raise ImageInvalid("The image holds more files than allowed.")
