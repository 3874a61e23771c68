"""Environments for tests that start nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paddock.isolation.view import EnvironmentView


def view_of(directory: Path, **changes: object) -> EnvironmentView:
    for name in ("task", "opt", "runtime", "lang"):
        (directory / name).mkdir(exist_ok=True)
    view = EnvironmentView(
        environment_id="env-1",
        task_root=directory / "task",
        opt_root=directory / "opt",
        runtime_dir=directory / "runtime",
        lang_dir=directory / "lang",
        readable_paths=(),
        memory_mb=2048,
        vcpu=1.5,
    )
    return replace(view, **changes)  # type: ignore[arg-type]
