"""A trace file as numbered lines and rows, streamed; what is wrong with it is said with file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from paddock.advisor.documents import InputError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""The widest known row has one column for each of 5,093 functions, some 50 kB; a log line holds at most 1 MiB."""

LARGEST_NUMBER = 1e15
"""Of invocations, milliseconds or bytes in one row; exact as a float, and thirty thousand years of milliseconds."""
MAX_DOCUMENT_CHARACTERS = 128 * 1024 * 1024
"""One answer of CloudWatch holds at most 100,800 points; joined pages of a year of minutes are some 40 MB."""

Progress = Callable[[int, int], None]
"""Called now and then with the bytes read so far and the size of the file."""

REPORT_EVERY_LINES = 20_000
EPOCH_MILLISECONDS_FROM = 100_000_000_000
"""Larger than any second we meet (the year 5138), smaller than any millisecond since 1973."""


class TraceLines:
    """One open trace file; also reads `.gz`. Use as a context manager; iterate once."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self.number = 0
        self._progress = progress
        try:
            self._size = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
        magic = self._raw.read(2)
        self._raw.seek(0)
        self._stream: gzip.GzipFile | io.BufferedReader = self._raw
        if magic == b"\x1f\x8b":
            self._stream = gzip.GzipFile(fileobj=self._raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.close()

    def refuse(self, text: str, line: int | None = None) -> NoReturn:
        raise InputError(text, file=str(self.path), line=self.number if line is None else line)

    def __iter__(self) -> Iterator[str]:
        try:
            while blob := self._stream.readline(MAX_LINE_BYTES + 1):
                self.number += 1
                if len(blob) > MAX_LINE_BYTES:
                    self.refuse(f"the line is longer than {MAX_LINE_BYTES // 1024 // 1024} MiB")
                if self.number % REPORT_EVERY_LINES == 0:
                    self._report()
                yield self._decoded(blob)
        except (OSError, EOFError) as error:
            self.refuse(f"cannot be read further: {error}")
        self._report()

    def _decoded(self, blob: bytes) -> str:
        if b"\0" in blob:
            self.refuse("is binary, not text")
        try:
            return blob.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            self.refuse("is not text in UTF-8")

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(min(self._raw.tell(), self._size), self._size)

    def rows(self) -> Iterator[list[str]]:
        """The lines as CSV; blank ones are left out. The first one is the header."""
        reader = csv.reader(self, strict=True)
        try:
            yield from filter(None, reader)
        except csv.Error as error:
            self.refuse(f"no valid CSV: {error}")

    def whole_document(self) -> dict[str, Any]:
        """The whole file as one JSON object, within a bound: for formats that cannot be streamed."""
        parts: list[str] = []
        size = 0
        for line in self:
            size += len(line)
            if size > MAX_DOCUMENT_CHARACTERS:
                self.refuse(
                    f"is one JSON document of more than {MAX_DOCUMENT_CHARACTERS // 1024 // 1024} MiB: split it"
                )
            parts.append(line)
        return self.json_object("".join(parts), first_line=1)

    def json_object(self, text: str, *, first_line: int | None = None) -> dict[str, Any]:
        """`first_line` is where `text` begins; by default it is the line last read."""
        line = self.number if first_line is None else first_line
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            self.refuse(f"no valid JSON: {error.msg}", line + error.lineno - 1)
        except (RecursionError, ValueError) as error:
            self.refuse(f"no JSON that can be read: {error}", line)
        if not isinstance(value, dict):
            self.refuse("is no JSON object", line)
        return value

    def number_in(self, text: str, what: str) -> float:
        """A finite number of at least zero."""
        try:
            value = float(text)
        except ValueError:
            self.refuse(f"{what} is {_short(text)}, not a number")
        if not math.isfinite(value):
            self.refuse(f"{what} is {_short(text)}; it must be finite")
        if value < 0:
            self.refuse(f"{what} is {_short(text)}; it cannot be negative")
        if value > LARGEST_NUMBER:
            self.refuse(f"{what} is {_short(text)}: no such number can be meant here")
        return value

    def seconds_in(self, text: str) -> tuple[float, bool]:
        """A point in time as seconds since 1970, and whether it named its time zone (UTC is taken when it did not)."""
        try:
            value = float(text)
        except ValueError:
            return self._iso_seconds(text)
        if not math.isfinite(value) or value < 0 or value > EPOCH_MILLISECONDS_FROM * 1000:
            self.refuse(f"the time is {_short(text)}: neither seconds nor milliseconds since 1970")
        return (value / 1000 if value >= EPOCH_MILLISECONDS_FROM else value), True

    def _iso_seconds(self, text: str) -> tuple[float, bool]:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            self.refuse(f"the time is {_short(text)}; write 2026-11-23T10:00:00Z, or seconds since 1970")
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC).timestamp(), False
        return moment.timestamp(), True


def _short(text: str) -> str:
    return f'"{text}"' if len(text) <= 40 else f'"{text[:37]}..."'
