"""Started by `measure`, never imported: calls a handler and prints one line of JSON with what it took."""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any


def load_handler(file: Path, function: str) -> Any:
    sys.path.insert(0, str(file.parent.resolve()))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, function)


def main() -> None:
    file, function, runs, event_file = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    try:
        event = json.loads(Path(event_file).read_text(encoding="utf-8")) if event_file else {}
        handler = load_handler(file, function)
        handler(event, None)
        walls, cpu_before = [], process_time()
        for _ in range(runs):
            begin = perf_counter()
            handler(event, None)
            walls.append((perf_counter() - begin) * 1000)
        cpu_ms = (process_time() - cpu_before) * 1000 / runs
    except Exception as error:  # noqa: BLE001  # whatever the function raises is the answer
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}))  # noqa: T201
        return
    walls.sort()
    found = {
        "runs": runs,
        "duration_ms": sum(walls) / runs,
        "p99_ms": walls[min(len(walls) - 1, round(0.99 * (len(walls) - 1)))],
        "cpu_ms": cpu_ms,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
