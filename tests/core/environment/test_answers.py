"""What becomes of each invocation that an environment had when it ended."""

import pytest

from paddock.core.environment import errors
from paddock.core.environment.answers import at_the_end
from paddock.core.environment.words import Effect, Fail, Invocation, InvocationPhase, Refuse, ReleaseSlot


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (InvocationPhase.HELD, Refuse),
        (InvocationPhase.RUNNING, Fail),
        (InvocationPhase.RESPONDING, Fail),
        (InvocationPhase.STREAMING, Fail),
        (InvocationPhase.TIMED_OUT, ReleaseSlot),
        (InvocationPhase.LINGERING, ReleaseSlot),
    ],
)
def test_who_waits_is_answered_and_who_was_answered_gives_the_slot_back(
    phase: InvocationPhase, kind: type[Effect[str, str]]
) -> None:
    invocation: Invocation[str, str] = Invocation("r1", "caller", 3.0)
    invocation.phase = phase

    (effect,) = at_the_end([invocation], errors.EXIT_ERROR, "gone")

    assert type(effect) is kind


def test_only_one_with_extensions_hears_how_it_ended() -> None:
    timed_out: Invocation[str, str] = Invocation("r1", "caller", 3.0)
    lingering: Invocation[str, str] = Invocation("r2", "caller", 3.0)
    timed_out.phase, lingering.phase = InvocationPhase.TIMED_OUT, InvocationPhase.LINGERING

    effects = at_the_end([timed_out, lingering], errors.EXIT_ERROR, "gone")

    assert effects == (ReleaseSlot(timed_out), ReleaseSlot(lingering, errors.EXIT_ERROR))
