from hypothesis import given
from hypothesis import strategies as st

from paddock.agent.ledger import ConfigurationLedger
from paddock.wire.agent import AgentConfiguration, ConfigurationAccepted
from tests.agent.server_side import environment_spec


def configuration(generation: int, *names: str) -> AgentConfiguration:
    return AgentConfiguration(generation, tuple(environment_spec("AAAA", environment_id=name) for name in names))


def test_nothing_is_held_at_first_and_that_may_be_said() -> None:
    ledger = ConfigurationLedger()

    assert (ledger.generation, ledger.environments) == (0, ())
    assert ledger.offer(configuration(0)) == ConfigurationAccepted(0)


OFFERS = st.lists(st.builds(configuration, st.integers(0, 5), st.sampled_from(["a", "b", "c"])), max_size=20)


@given(offers=OFFERS)
def test_the_generation_never_goes_back_and_never_means_two_things(offers: list[AgentConfiguration]) -> None:
    ledger = ConfigurationLedger()
    meant: dict[int, AgentConfiguration] = {0: configuration(0)}
    newest = 0
    for offered in offers:
        if isinstance(ledger.offer(offered), ConfigurationAccepted):
            assert offered.generation >= newest
            assert meant.setdefault(offered.generation, offered) == offered
            newest = offered.generation
        assert ledger.generation == newest
        assert ledger.environments == meant[newest].environments


def test_an_environment_named_twice_is_refused() -> None:
    ledger = ConfigurationLedger()
    assert not isinstance(ledger.offer(configuration(1, "a", "a")), ConfigurationAccepted)
    assert ledger.generation == 0
