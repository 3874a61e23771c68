"""What the instance was told to run, with its generation. Pure.

An older generation is refused, and so is the held one with other contents: two servers that disagree must not take
turns.
"""

from __future__ import annotations

from paddock.wire.agent import AgentConfiguration, ConfigurationAccepted, ConfigurationRefused, EnvironmentSpec


class ConfigurationLedger:
    def __init__(self) -> None:
        self._held = AgentConfiguration(0, ())

    @property
    def generation(self) -> int:
        return self._held.generation

    @property
    def environments(self) -> tuple[EnvironmentSpec, ...]:
        return self._held.environments

    def offer(self, configuration: AgentConfiguration) -> ConfigurationAccepted | ConfigurationRefused:
        held = self._held.generation
        offered = configuration.generation
        reason = None
        if offered < held:
            reason = "an older generation"
        elif offered == held and configuration != self._held:
            reason = "the held generation with other contents"
        elif len({spec.environment_id for spec in configuration.environments}) != len(configuration.environments):
            reason = "an environment is named twice"
        if reason is not None:
            return ConfigurationRefused(offered, held, reason)
        self._held = configuration
        return ConfigurationAccepted(offered)
