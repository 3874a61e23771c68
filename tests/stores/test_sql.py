import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from paddock.model.errors import StartError
from paddock.ports.store import Store, StoreError
from paddock.stores import sql
from paddock.stores.records import KINDS
from paddock.stores.schema import HEAD, METADATA
from paddock.stores.sql import SqlStore
from paddock.testing.store_conformance import StoreConformance, a_function, a_version


class TestSqlStore(StoreConformance):
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[Store]:
        return SqlStore(directory / "state.db")


def run(path: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def within() -> None:
        async with SqlStore(path) as store:
            await scenario(store)

    asyncio.run(within())


def test_a_store_opened_again_has_everything(tmp_path: Path) -> None:
    async def writes(store: Store) -> None:
        await store.write(lambda tx: tx.versions.put(a_version()))

    async def reads(store: Store) -> None:
        assert await store.read(lambda tx: tx.versions.select()) == [a_version()]

    run(tmp_path / "state.db", writes)
    run(tmp_path / "state.db", reads)


def test_what_was_answered_survives_sigkill(tmp_path: Path) -> None:
    """A process that writes and is killed at once: all it was told is done must be there."""
    program = textwrap.dedent("""
        import asyncio, os, signal, sys
        from pathlib import Path
        from paddock.stores.sql import SqlStore
        from paddock.testing.store_conformance import a_function

        async def main():
            async with SqlStore(Path(sys.argv[1])) as store:
                for number in range(20):
                    await store.write(lambda tx: tx.functions.put(a_function(f"f{number:02}")))
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """)
    ended = subprocess.run([sys.executable, "-c", program, tmp_path / "state.db"], check=False, timeout=30)
    assert ended.returncode == -9

    async def reads(store: Store) -> None:
        assert await store.read(lambda tx: tx.functions.count()) == 20

    run(tmp_path / "state.db", reads)


def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    async def nothing(store: Store) -> None: ...

    run(tmp_path / "state.db", nothing)
    engine = create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_a_store_of_the_first_schema_is_brought_up_to_date_with_all_it_has(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def writes(store: Store) -> None:
        await store.write(lambda tx: tx.versions.put(a_version()))

    run(path, writes)
    with sqlite3.connect(path) as connection:
        for table in ("layers", "layer_versions", "code_signing_configs", "ended_instances"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()

    async def reads(store: Store) -> None:
        assert await store.read(lambda tx: tx.versions.select()) == [a_version()]
        assert await store.read(lambda tx: tx.layers.count() + tx.ended_instances.count()) == 0

    run(path, reads)


def test_the_schema_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "paddock.stores:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_every_kind_of_record_has_its_table() -> None:
    for kind in KINDS:
        columns = METADATA.tables[kind.name].columns.keys()
        assert columns == [*kind.key, *kind.columns, "body"]


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    async def nothing(store: Store) -> None: ...

    run(tmp_path / "state.db", nothing)
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database at all" * 500)

    async def nothing(store: Store) -> None: ...

    with pytest.raises(StartError, match=r"state\.db is damaged \(.*\): restore it from a copy") as raised:
        run(tmp_path / "state.db", nothing)
    assert "\n" not in str(raised.value)


def test_nobody_reads_a_change_before_its_writer_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk is slow to tidy up after the commit: what can be read by then is not passed on yet."""
    told = threading.Event()
    attempted = sql._attempted

    def attempted_and_told_late(*args: Any) -> Callable[[], None]:
        tell = attempted(*args)
        return lambda: (told.wait(), tell())[1]

    order: list[str] = []

    async def writes(store: Store) -> None:
        await store.write(lambda tx: tx.functions.put(a_function()))
        order.append("written")

    async def reads(store: Store) -> None:
        assert await store.read(lambda tx: tx.functions.count()) == 1
        order.append("read")

    def committed(store: SqlStore) -> None:
        while store._read(lambda tx: tx.functions.count()) == 0:
            pass

    async def scenario(store: Store) -> None:
        assert isinstance(store, SqlStore)
        monkeypatch.setattr(sql, "_attempted", attempted_and_told_late)
        async with asyncio.TaskGroup() as group:
            try:
                group.create_task(writes(store))
                await asyncio.to_thread(committed, store)
                group.create_task(reads(store))
                gives_up = group.create_task(reads(store))
                await asyncio.sleep(0)
                await asyncio.get_running_loop().run_in_executor(store._reader, lambda: None)  # both have read by now
                await asyncio.sleep(0)
                gives_up.cancel()
            finally:
                told.set()

    run(tmp_path / "state.db", scenario)
    assert order == ["written", "read"]


def test_a_full_disk_fails_the_change_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def scenario(store: Store) -> None:
        await store.write(lambda tx: tx.functions.put(a_function("before")))
        assert isinstance(store, SqlStore)
        with store._write_engine.connect() as connection:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={used}")
        with pytest.raises(StoreError, match=r"the disk of .*state\.db is full: free some space"):
            await store.write(lambda tx: tx.functions.put_many([a_function(f"f{n}") for n in range(2000)]))
        assert await store.read(lambda tx: [function.name for function in tx.functions.select()]) == ["before"]
        with store._write_engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        await store.write(lambda tx: tx.functions.put(a_function("after")))
        assert await store.read(lambda tx: tx.functions.count()) == 2

    run(path, scenario)


def test_a_file_locked_by_another_process_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.stores.sql.BUSY_TIMEOUT_MS", 10)

    async def scenario(store: Store) -> None:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            await store.write(lambda tx: tx.functions.put(a_function()))
        other.execute("ROLLBACK")
        other.close()
        await store.write(lambda tx: tx.functions.put(a_function()))

    run(tmp_path / "state.db", scenario)
