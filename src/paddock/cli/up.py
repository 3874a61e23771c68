"""`paddock up`: the server in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from paddock.cli.options import DataDir

ScalingSpeedup = Annotated[
    float | None,
    typer.Option(help="Give capacity back so many times sooner: a day's shape in minutes. [default: 1]"),
]
InstanceNetwork = Annotated[
    str | None,
    typer.Option(
        help="host: instances share this machine's network, nothing is enforced; vpc: each has an interface of its own "
        "in a subnet, with security groups (Linux, root). [default: host]"
    ),
]
HotReloadDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--hot-reload-dir", help="Functions may have a directory in this one as their code.", show_default=False
    ),
]


def up(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one. [default: 4600]")] = None,
    data_dir: DataDir = None,
    auth: Annotated[str | None, typer.Option(help="sigv4 or none (loopback only). [default: sigv4]")] = None,
    region: Annotated[str | None, typer.Option(help="Region in ARNs and zones. [default: us-east-1]")] = None,
    cores_per_vcpu: Annotated[
        float | None, typer.Option(help="Cores of this machine that one vCPU is worth, at most 1.")
    ] = None,
    strict_cpu: Annotated[
        bool | None, typer.Option("--strict-cpu", help="Make a vCPU's worth a quota: no borrowing of idle cores.")
    ] = None,
    isolation_min: Annotated[
        str | None,
        typer.Option("--isolation-min", help="Do not start with less isolation of functions than this rung."),
    ] = None,
    strict_runtimes: Annotated[
        bool | None, typer.Option("--strict-runtimes", help="Refuse a runtime whose very version is not here.")
    ] = None,
    keep_instances: Annotated[
        bool | None, typer.Option("--keep-instances", help="Leave instances running when the server ends.")
    ] = None,
    routers: Annotated[
        int | None, typer.Option(help="Processes that answer invokes and share the port. [default: 1]")
    ] = None,
    scaling_speedup: ScalingSpeedup = None,
    api_rates: Annotated[str | None, typer.Option(help="AWS's request quotas: aws or off. [default: off]")] = None,
    hot_reload_dir: HotReloadDirs = None,
    images_dir: Annotated[
        Path | None,
        typer.Option("--images-dir", help="ImageUri may name images below this directory.", show_default=False),
    ] = None,
    network: InstanceNetwork = None,
    network_file: Annotated[
        Path | None, typer.Option(help="YAML file naming other subnets and security groups.", show_default=False)
    ] = None,
) -> None:
    """Start the endpoint, the control plane and the router; stay in the foreground until Ctrl-C.

    Prints one line beginning `ready` with the URL when it answers. Point AWS tools at it with
    `eval "$(paddock env)"`.
    """
    from paddock.server.settings import load_settings

    flags = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "auth": auth,
        "region": region,
        "cores_per_vcpu": cores_per_vcpu,
        "strict_cpu": strict_cpu,
        "isolation_min": isolation_min,
        "strict_runtimes": strict_runtimes,
        "keep_instances": keep_instances,
        "routers": routers,
        "scaling_speedup": scaling_speedup,
        "api_rates": api_rates,
        "hot_reload_dir": tuple(path.absolute() for path in hot_reload_dir) if hot_reload_dir else None,
        "images_dir": images_dir.absolute() if images_dir else None,
        "network": network,
        "network_file": network_file,
    }
    settings = load_settings(flags, os.environ)
    # Only now: all of a server takes a second to import, and a wrong flag should not.
    from paddock.server.main import run

    run(settings)
