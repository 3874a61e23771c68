"""How the runtime of an environment is started: asks `paddock.runtimes` and puts the variables together.

A seam, so that the agent can be run with other runtimes than those that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Protocol

from paddock.agent.image_program import image_program
from paddock.agent.images import AssembledImage
from paddock.agent.machine_code import require_machine, require_runnable
from paddock.agent.metadata import EndpointAccess
from paddock.agent.nameservers import resolv_conf_inside
from paddock.agent.network_namespace import IN_IT_ALREADY, MachineNetwork
from paddock.agent.runtime_process import CannotStart, ProcessCommand
from paddock.core.environment.errors import INVALID_ENTRYPOINT, INVALID_RUNTIME
from paddock.isolation.view import EnvironmentView
from paddock.launchers.instance_directory import MARKING_VARIABLE
from paddock.wire.agent import EnvironmentSpec

if TYPE_CHECKING:
    from paddock.runtimes import EnvironmentFacts


@dataclass(frozen=True, slots=True)
class RuntimeInvitation:
    """Where a runtime finds its environment: `runtime_api` is host:port, `log_socket` a path of its own, `opt_root` its
    layers, None where it has none; `image` is in place of both where the code is one.
    """

    spec: EnvironmentSpec
    task_root: Path
    runtime_api: str
    log_socket: str
    endpoints: EndpointAccess
    cpus: tuple[int, ...] = ()
    opt_root: Path | None = None
    image: AssembledImage | None = None


@dataclass(frozen=True, slots=True)
class PreparedRuntime:
    """`version` for people and logs; `note` says what stands in for what, if anything does. `extension_variables` are
    the environment of each extension.
    """

    command: ProcessCommand
    version: str
    version_arn: str
    note: str
    extension_variables: Mapping[str, str] = field(default_factory=dict, repr=False)


class RuntimeCommandSource(Protocol):
    def prepare(self, invitation: RuntimeInvitation) -> PreparedRuntime:
        """Blocking, for a thread; may install what is missing. Raises `CannotStart`."""
        ...


class InstalledRuntimes:
    """`network` is where runtimes are installed from: the machine's, wherever functions live."""

    def __init__(
        self, data_dir: Path, region: str, *, strict: bool, aws_layout: bool, network: MachineNetwork = IN_IT_ALREADY
    ) -> None:
        from paddock.runtimes import RuntimeStore  # noqa: PLC0415  # an agent is up before it needs any runtime

        self._store = RuntimeStore(data_dir, strict)
        self._region = region
        self._network = network
        self._resolv_conf = resolv_conf_inside(region) if network.is_elsewhere else None
        self._aws_layout = aws_layout

    def prepare(self, invitation: RuntimeInvitation) -> PreparedRuntime:
        if invitation.image is not None:
            return self._prepare_image(invitation, invitation.image)
        from paddock.runtimes import (  # noqa: PLC0415  # as above
            AWS_LAYOUT,
            InvalidEntrypoint,
            ProcessKind,
            RuntimeUnavailable,
            machine_architecture,
            managed_environment,
        )

        spec = invitation.spec
        note = require_runnable(_roots(invitation), spec.architecture, machine_architecture())
        facts = self._facts(invitation)
        try:
            installed = self._network.run(lambda: self._store.ensure(spec.runtime))
            command = installed.command(
                spec.handler,
                spec.memory_mb,
                spec.vcpu,
                invitation.task_root,
                facts.max_concurrency,
                spec.environment_variables,
                opt_dir=invitation.opt_root,
                layout=AWS_LAYOUT if self._aws_layout else None,
            )
        except RuntimeUnavailable as unavailable:
            raise CannotStart(INVALID_RUNTIME, str(unavailable)) from unavailable
        except InvalidEntrypoint as invalid:
            raise CannotStart(INVALID_ENTRYPOINT, str(invalid)) from invalid
        variables = managed_environment(facts, command.layout, ProcessKind.RUNTIME) | dict(command.env_additions)
        view = self._view(invitation, installed.runtime_dir, installed.lang_dir, command.readable_paths)
        return PreparedRuntime(
            ProcessCommand(command.argv, variables, command.cwd, marker(invitation.endpoints), view),
            installed.resolution.release,
            installed.resolution.runtime_version_arn(self._region),
            " ".join(filter(None, (installed.resolution.note, note))),
            managed_environment(facts, command.layout, ProcessKind.EXTENSION),
        )

    def _prepare_image(self, invitation: RuntimeInvitation, image: AssembledImage) -> PreparedRuntime:
        """An image sees itself and what AWS's agent tells an image; nothing is installed for it."""
        from paddock.runtimes import (  # noqa: PLC0415  # as above
            AWS_LAYOUT,
            ProcessKind,
            machine_architecture,
            managed_environment,
        )

        spec = invitation.spec
        assert spec.image is not None
        require_machine(spec.architecture, machine_architecture())
        program = image_program(image, spec.image)
        facts, of_image = self._facts(invitation), dict(image.configuration.environment)
        variables = of_image | managed_environment(facts, AWS_LAYOUT, ProcessKind.RUNTIME)
        of_extensions = of_image | managed_environment(facts, AWS_LAYOUT, ProcessKind.EXTENSION)
        view = replace(self._view(invitation, image.root, image.root, ()), image_root=image.root)
        argv, cwd = program.argv(image, variables), PurePath(program.working_directory)
        return PreparedRuntime(
            ProcessCommand(argv, variables, cwd, marker(invitation.endpoints), view), "", "", "", of_extensions
        )

    def _facts(self, invitation: RuntimeInvitation) -> EnvironmentFacts:
        from paddock.runtimes import (  # noqa: PLC0415  # as above
            MANAGED_INSTANCES,
            CredentialEndpoint,
            EnvironmentFacts,
            MetadataEndpoint,
            PackageType,
        )

        spec, access = invitation.spec, invitation.endpoints
        managed = spec.initialization_type == MANAGED_INSTANCES
        max_concurrency = spec.max_concurrency if managed else None
        return EnvironmentFacts(
            function_name=spec.function_name,
            version=spec.version,
            memory_mb=spec.memory_mb,
            handler=spec.handler,
            region=self._region,
            runtime_api=invitation.runtime_api,
            log_group=spec.log_group,
            log_stream=spec.log_stream,
            max_concurrency=max_concurrency,
            initialization_type=spec.initialization_type,
            package_type=PackageType.ZIP if spec.image is None else PackageType.IMAGE,
            log_format=spec.log_format,
            log_level=spec.application_log_level,
            credentials=spec.credentials,
            customer=spec.environment_variables,
            telemetry_socket=Path(invitation.log_socket),
            metadata=MetadataEndpoint(access.api, access.token),
            credential_endpoint=CredentialEndpoint(access.credentials_url, access.token) if managed else None,
        )

    def _view(
        self, invitation: RuntimeInvitation, runtime_dir: Path, lang_dir: Path, readable_paths: tuple[Path, ...]
    ) -> EnvironmentView:
        spec = invitation.spec
        return EnvironmentView(
            environment_id=spec.environment_id,
            task_root=invitation.task_root,
            opt_root=invitation.opt_root,
            runtime_dir=runtime_dir,
            lang_dir=lang_dir,
            readable_paths=readable_paths,
            memory_mb=spec.memory_mb,
            vcpu=spec.vcpu,
            socket=Path(invitation.log_socket),
            tmp_size_mb=spec.ephemeral_storage_mb,
            cpus=invitation.cpus,
            resolv_conf=self._resolv_conf,
        )


def marker(access: EndpointAccess) -> bytes:
    """What is in the environment of each process of one execution environment, and of no other's."""
    return f"{MARKING_VARIABLE}={access.token}".encode()


def _roots(invitation: RuntimeInvitation) -> dict[PurePath, Path]:
    roots: dict[PurePath, Path] = {PurePath("/var/task"): invitation.task_root}
    if invitation.opt_root is not None:
        roots[PurePath("/opt")] = invitation.opt_root
    return roots
