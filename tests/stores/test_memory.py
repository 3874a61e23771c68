from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from paddock.ports.store import Store
from paddock.stores.memory import MemoryStore
from paddock.testing.store_conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[Store]:
        return nullcontext(MemoryStore())
