"""Puts the telemetry of one environment together: where its events come from, and whose listeners it may go to."""

from __future__ import annotations

from collections.abc import Sequence

from paddock.agent.log_collector import LogCollector
from paddock.agent.platform_events import INITIALIZATION_TYPE, PlatformEvents
from paddock.agent.telemetry import TelemetryHub
from paddock.agent.telemetry_delivery import Listeners
from paddock.agent.text_events import TextEvents
from paddock.agent.timebase import Timebase
from paddock.isolation.ladder import Isolation
from paddock.isolation.loopback import LOOPBACK, own_loopback
from paddock.isolation.peers import Peers
from paddock.wire.agent import EnvironmentSpec


def environment_telemetry(
    spec: EnvironmentSpec,
    timebase: Timebase,
    listeners: Listeners,
    events: PlatformEvents | TextEvents,
    collector: LogCollector,
) -> TelemetryHub:
    """Listens to both sources from now on."""

    def subscribed(event: str, extension_name: str, types: Sequence[str]) -> None:
        events.subscription(timebase.monotonic(), event, extension_name, types)

    hub = TelemetryHub(
        timebase,
        managed=spec.initialization_type == INITIALIZATION_TYPE,
        json_logs=spec.log_format == "JSON",
        listeners=listeners,
        subscribed=subscribed,
    )
    hub.listen_to(events, collector)
    return hub


def listeners_of(environment_id: str, isolation: Isolation, peers: Peers | None) -> Listeners:
    """Whose a listener is can be asked where environments have users of their own."""
    addresses = (own_loopback(environment_id), LOOPBACK) if isolation.has_aws_layout else (LOOPBACK,)
    uid = isolation.user_of(environment_id)
    return Listeners(addresses, None if uid is None else peers, uid)
