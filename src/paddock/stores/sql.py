"""The store on disk: SQLite through SQLAlchemy Core, migrated by Alembic when it is opened.

One thread writes, another reads; the event loop never waits for the disk. Changes that arrive while one is being
committed share the next commit, each behind its own savepoint, so that a power cut takes nothing that was answered and
throughput does not hang on the disk's sync time. Nobody reads a change before its writer was told that it is done: the
writer may have to pass it on (to the routers) before anybody acts on it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from paddock.model.errors import StartError
from paddock.ports.store import StoreError, Transaction
from paddock.stores.schema import HEAD
from paddock.stores.sql_records import SqlTransaction

T = TypeVar("T")

MAX_CHANGES_PER_COMMIT = 256
"""Bounds how long the first of them waits for the others."""
MAX_WAITING_CHANGES = 4096
"""Whoever comes then waits on the event loop, where waiting is cheap. Twice that: who gave up leaves their change."""
BUSY_TIMEOUT_MS = 5000
"""For somebody's `sqlite3` shell on our file; another server is kept off by the data directory's lock."""


@dataclass(frozen=True, slots=True)
class _Change:
    work: Callable[[Transaction], Any]
    done: Future[Any]


class SqlStore:
    """An async context manager. Raises `StartError` if the file cannot be opened, `StoreError` later; one line each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes: queue.Queue[_Change | None] = queue.Queue(2 * MAX_WAITING_CHANGES)
        self._room = asyncio.Semaphore(MAX_WAITING_CHANGES)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        self._writer = threading.Thread(target=self._write_until_closed, name="store-writer")
        self._telling: Future[None] | None = None
        """Of the commit that is made, or was made last."""
        self._write_engine = _engine(path, begin="BEGIN IMMEDIATE")
        self._read_engine = _engine(path, begin="BEGIN")

    async def __aenter__(self) -> Self:
        try:
            await asyncio.get_running_loop().run_in_executor(self._reader, self._open)
        except BaseException:
            self._dispose()
            raise
        self._writer.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._changes.put(None)
        await asyncio.to_thread(self._writer.join)
        self._dispose()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        result = await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)
        telling = self._telling
        if telling is not None and not telling.done():
            await asyncio.wrap_future(telling)
        return result

    async def write(self, work: Callable[[Transaction], T]) -> T:
        change = _Change(work, Future())
        async with self._room:
            self._changes.put_nowait(change)
            result: T = await asyncio.wrap_future(change.done)
        return result

    def _open(self) -> None:
        try:
            with self._write_engine.begin() as connection:
                if _stored_revision(connection) != HEAD:
                    _migrate(connection)
            self._path.chmod(0o600)
        except DBAPIError as error:
            raise StartError(self._explained(error).message) from error

    def _dispose(self) -> None:
        self._reader.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()

    def _read(self, work: Callable[[Transaction], T]) -> T:
        try:
            with self._read_engine.connect() as connection:
                return work(SqlTransaction(connection))
        except DBAPIError as error:
            raise self._explained(error) from error

    def _write_until_closed(self) -> None:
        closed = False
        while not closed:
            batch: list[_Change] = []
            waiting = self._changes.get()
            while waiting is not None:
                batch.append(waiting)
                if len(batch) == MAX_CHANGES_PER_COMMIT or self._changes.empty():
                    break
                waiting = self._changes.get()
            closed = waiting is None
            self._commit([change for change in batch if change.done.set_running_or_notify_cancel()])

    def _commit(self, batch: list[_Change]) -> None:
        if not batch:
            return
        outcomes: list[Callable[[], None]] = []
        telling: Future[None] = Future()
        telling.set_running_or_notify_cancel()  # whoever gives up waiting for it ends only their own waiting
        try:
            with self._write_engine.begin() as connection:
                transaction = SqlTransaction(connection)
                outcomes = [_attempted(change, connection, transaction) for change in batch]
                # From here on it can be read; and a commit may tidy the file after it has made the change visible.
                self._telling = telling
        except Exception as error:  # noqa: BLE001  # this thread must outlive any failure: callers would wait for ever
            explained = self._explained(error) if isinstance(error, DBAPIError) else error
            outcomes = [lambda change=change: change.done.set_exception(explained) for change in batch]  # type: ignore[misc]
        for tell in outcomes:
            tell()
        telling.set_result(None)

    def _explained(self, error: DBAPIError) -> StoreError:
        cause = str(error.orig)
        if "full" in cause:
            return StoreError(f"the disk of {self._path} is full: free some space, then try again")
        if "malformed" in cause or "not a database" in cause:
            return StoreError(
                f"{self._path} is damaged ({cause}): restore it from a copy, or move it away to start with an empty one"
            )
        if "locked" in cause:
            return StoreError(f"{self._path} is locked by another process: end it, then try again")
        return StoreError(f"{self._path} cannot be used: {cause}")


def _attempted(change: _Change, connection: Connection, transaction: Transaction) -> Callable[[], None]:
    """Do one change behind a savepoint; what is returned tells the caller, once the commit has succeeded."""
    savepoint = connection.begin_nested()
    try:
        result = change.work(transaction)
    except DBAPIError:
        raise
    except BaseException as error:  # noqa: BLE001  # whatever the caller's function raises belongs to the caller
        savepoint.rollback()
        refusal = error
        return lambda: change.done.set_exception(refusal)
    savepoint.commit()
    return lambda: change.done.set_result(result)


def _engine(path: Path, *, begin: str) -> Engine:
    # One connection for one thread: a pool has nothing to share.
    engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own idea of when a transaction begins is switched off: we say BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _stored_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _migrate(connection: Connection) -> None:
    # Imported here: a database that is up to date, which is nearly every start, does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", "paddock.stores:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
