"""Puts the function, its layers and the runtime on the search path in Lambda's order, then becomes awslambdaric.

Runs inside the execution environment, on its interpreter: standard library only, nothing of Paddock.
"""

from __future__ import annotations

import os
import runpy
import sys


def search_path(
    found: list[str], customers: list[str], task_root: str, layers: str, runtime_dir: str, language: str
) -> list[str]:
    """The function before its layers, those before the customer's PYTHONPATH, then the runtime and the standard
    library.

    `found` is what the interpreter made of its script directory (the runtime's), PYTHONPATH and its own library.
    """
    own = [task_root, f"{layers}/python/lib/{language}/site-packages", f"{layers}/python"]
    return list(dict.fromkeys([*own, *customers, runtime_dir, *found]))


def main() -> None:
    language = os.environ["AWS_EXECUTION_ENV"][len("AWS_Lambda_") :]  # Python 3.8 has no removeprefix
    runtime_dir = os.environ["LAMBDA_RUNTIME_DIR"]
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    customers = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = search_path(sys.path, customers, task_root, sys.argv[1], runtime_dir, language)
    sys.argv[:] = ["awslambdaric", os.environ["_HANDLER"]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
