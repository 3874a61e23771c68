"""Who is asked, who is killed, and when."""

import pytest

from paddock.core.environment import Failure, errors
from paddock.core.environment.extensions import Extensions
from paddock.core.environment.shutdown import ShutdownPlan, shutdown_plan

CRASHED = Failure(errors.EXIT_ERROR, errors.reason_code(errors.EXIT_ERROR, init=False), "", init=False)
TIMED_OUT = Failure(errors.TIMED_OUT, errors.reason_code(errors.TIMED_OUT, init=False), "", init=False)


def extensions(*, managed: bool, external: dict[str, list[str]], internal: tuple[str, ...] = ()) -> Extensions[str]:
    made: Extensions[str] = Extensions(managed=managed)
    made.launch(list(external))
    for name, events in external.items():
        made.register(name, events, f"id-{name}")
    for name in internal:
        made.register(name, [], f"id-{name}")
    return made


@pytest.mark.parametrize("managed", [True, False])
def test_without_a_registered_extension_nobody_is_asked(managed: bool) -> None:
    assert shutdown_plan(extensions(managed=managed, external={}), None) is None
    only_launched: Extensions[str] = Extensions(managed=managed)
    only_launched.launch(["never-registered"])
    assert shutdown_plan(only_launched, None) is None


def test_managed_instances_tell_subscribers_and_kill_the_others() -> None:
    made = extensions(managed=True, external={"listens": ["SHUTDOWN"], "deaf": []}, internal=("inside",))
    assert shutdown_plan(made, None) == ShutdownPlan(
        reason="spindown",
        kill_runtime_at=0.6,
        flush_seconds=1.0,
        deadline=2.0,
        told=("listens",),
        killed=("deaf",),
    )


def test_an_internal_extension_is_enough_for_the_runtime_to_be_asked() -> None:
    plan = shutdown_plan(extensions(managed=True, external={}, internal=("inside",)), None)
    assert plan is not None
    assert (plan.kill_runtime_at, plan.deadline, plan.told, plan.killed) == (0.6, 2.0, (), ())


@pytest.mark.parametrize(
    ("external", "kill_runtime_at", "deadline"), [({}, 0.5, 0.5), ({"a": ["INVOKE", "SHUTDOWN"]}, 0.3, 2.0)]
)
def test_default_lambda_has_times_of_its_own(
    external: dict[str, list[str]], kill_runtime_at: float, deadline: float
) -> None:
    plan = shutdown_plan(extensions(managed=False, external=external, internal=("inside",)), None)
    assert plan is not None
    assert (plan.kill_runtime_at, plan.deadline) == (kill_runtime_at, deadline)
    assert plan.kill_runtime_at + plan.flush_seconds <= plan.deadline


@pytest.mark.parametrize(
    ("managed", "failure", "reason"),
    [
        (True, None, "spindown"),
        (True, CRASHED, "failure"),
        (True, TIMED_OUT, "failure"),
        (False, None, "SPINDOWN"),
        (False, CRASHED, "FAILURE"),
        (False, TIMED_OUT, "TIMEOUT"),
    ],
)
def test_the_reason_of_the_end(managed: bool, failure: Failure | None, reason: str) -> None:
    plan = shutdown_plan(extensions(managed=managed, external={"a": ["SHUTDOWN"]}), failure)
    assert plan is not None
    assert plan.reason == reason
