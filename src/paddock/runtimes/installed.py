"""A runtime that is on this machine and ready to be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime, Language
from paddock.runtimes.bootstrap import RuntimeCommand, custom_bootstrap, language_variables
from paddock.runtimes.environment import Layout
from paddock.runtimes.resolution import Resolution


@dataclass(frozen=True, slots=True)
class InstalledRuntime:
    """`directory` holds `runtime` and `lang`, what AWS has at /var/runtime and /var/lang. Never written to again."""

    runtime: LambdaRuntime
    resolution: Resolution
    directory: Path
    readable_paths: tuple[Path, ...]

    @property
    def runtime_dir(self) -> Path:
        return self.directory / "runtime"

    @property
    def lang_dir(self) -> Path:
        return self.directory / "lang"

    def command(
        self,
        handler: str,
        memory_mb: int,
        vcpu: float,
        task_root: Path,
        max_concurrency: int | None,
        customer_env: Mapping[str, str],
        *,
        opt_dir: Path | None = None,
        layout: Layout | None = None,
    ) -> RuntimeCommand:
        """How to start one execution environment of a function whose code lies in `task_root`.

        `opt_dir` is where its layers are (beside the code when not said). `layout` is what the process will see, when
        that is not what is on disk; `max_concurrency` is None for one request at a time. Raises `InvalidEntrypoint`.
        """
        layers = opt_dir or task_root.parent / "opt"
        seen = layout or Layout(task_root, self.runtime_dir, self.lang_dir, layers)
        additions = {
            "_HANDLER": handler,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "LAMBDA_RUNTIME_DIR": str(seen.runtime_dir),
            "LAMBDA_TASK_ROOT": str(seen.task_root),
            **({} if max_concurrency is None else {"AWS_LAMBDA_MAX_CONCURRENCY": str(max_concurrency)}),
            **language_variables(self.runtime.language, vcpu, max_concurrency, customer_env),
        }
        if self.runtime.language is Language.PROVIDED:
            found = custom_bootstrap(task_root, layers)
            place = seen.task_root if found.parent == task_root else seen.opt_dir
            argv: tuple[str, ...] = (str(place / "bootstrap"),)
        else:
            argv = (str(seen.runtime_dir / "bootstrap"), str(seen.opt_dir))
        return RuntimeCommand(argv, additions, Path(seen.task_root), seen, self.readable_paths)
