"""Plays a written scene with an environment's machine: `>>` is an event, `<<` each of its effects, in order.

Events: `poll A`, `lost A`, `invoke R [timeout SECONDS]`, `respond R [nonce N]`, `stream R`, `error R [nonce N]`,
`finish R`, `complete R`, `undelivered R`, `at SECONDS` (the clock moves and what is due expires), `exit STATUS`, `oom`,
`init error TYPE TEXT`, `worker lost`, `extensions back`, `drain`, `stop`, `cannot start TYPE TEXT`.
"""

from __future__ import annotations

from collections.abc import Iterable

from paddock.core.environment import (
    BecomeReady,
    BeginRecycling,
    Deliver,
    Effect,
    End,
    EnvironmentMachine,
    Fail,
    Hold,
    Invocation,
    Refuse,
    RefusePoll,
    Rejection,
    ReleaseSlot,
    RuntimeWorkers,
    errors,
)

OWN, MULTIPLEXED, UNKNOWN = RuntimeWorkers.OWN_CONNECTION, RuntimeWorkers.MULTIPLEXED, RuntimeWorkers.UNKNOWN
ALL = [OWN, MULTIPLEXED, UNKNOWN]

Machine = EnvironmentMachine[str, str]
Effects = Iterable[Effect[str, str]]


class Scene:
    """Starts with the runtime's process running, at second 0."""

    def __init__(
        self,
        workers: RuntimeWorkers = RuntimeWorkers.OWN_CONNECTION,
        *,
        slots: int = 2,
        init_timeout_seconds: float = 130.0,
    ) -> None:
        self.machine: Machine = EnvironmentMachine(max_concurrency=slots, workers=workers, nonce_prefix="n")
        self.now = 0.0
        self.known: dict[str, Invocation[str, str]] = {}
        self.machine.runtime_started(self.now, init_timeout_seconds)

    def play(self, script: str) -> None:
        expected: list[str] = []
        happened: list[str] = []
        event = "the beginning"
        for line in [*filter(None, map(str.strip, script.splitlines())), ">> "]:
            if line.startswith("<<"):
                expected.append(line[2:].strip())
                continue
            assert happened == expected, f"after {event!r}: {happened}, not {expected}"
            expected.clear()
            event = line[2:].strip()
            happened = self.do(event.split()) if event else []

    def do(self, words: list[str]) -> list[str]:
        match words:
            case ["poll", connection]:
                return self.told(self.machine.poll(connection, self.now))
            case ["lost", connection]:
                return self.told(self.machine.connection_lost(connection, self.now))
            case ["invoke", name]:
                return self.invoke(name, 3.0)
            case ["invoke", name, "timeout", seconds]:
                return self.invoke(name, float(seconds))
            case ["respond" | "stream" | "error" | "complete" as post, name, *nonce]:
                return self.begin(post, name, nonce[1] if nonce else "")
            case ["finish", name]:
                finished = self.machine.finish(self.known[name])
                return self.rejected(finished) if isinstance(finished, Rejection) else self.told(finished)
            case ["undelivered", name]:
                return self.told(self.machine.undelivered(self.known[name], self.now))
            case ["at", seconds]:
                self.now = float(seconds)
                return self.told(self.machine.expire(self.now))
            case ["init", "error", error_type, *text]:
                rejection = self.machine.init_error(error_type, " ".join(text))
                return [] if rejection is None else self.rejected(rejection)
            case _:
                return self.told(self.end(words))

    def end(self, words: list[str]) -> Effects:
        match words:
            case ["exit", status]:
                return self.machine.fail(errors.EXIT_ERROR, errors.exit_message(int(status)))
            case ["oom"]:
                return self.machine.fail(errors.OUT_OF_MEMORY, errors.KILLED)
            case ["worker", "lost"]:
                return self.machine.worker_lost("a worker is gone")
            case ["drain"]:
                return self.machine.drain()
            case ["stop"]:
                return self.machine.stop()
            case ["extensions", "back"]:
                return self.machine.conclude()
            case ["cannot", "start", error_type, *text]:
                return self.machine.fail(error_type, " ".join(text))
        raise AssertionError(words)

    def invoke(self, name: str, timeout_seconds: float) -> list[str]:
        admission = self.machine.invoke(name, name, timeout_seconds, self.now)
        return ["hold"] if isinstance(admission, Hold) else self.told([admission])

    def begin(self, post: str, name: str, nonce: str) -> list[str]:
        if post == "complete":
            return ["done"] if self.machine.complete(self.known[name]) else ["not done"]
        if post == "error":
            begun = self.machine.begin_error(name, nonce)
        else:
            begun = self.machine.begin_response(name, nonce, streaming=post == "stream")
        if isinstance(begun, Rejection):
            return self.rejected(begun)
        self.known[name] = begun
        return []

    def rejected(self, rejection: Rejection[str, str]) -> list[str]:
        return [f"{rejection.status} {rejection.error_type}", *self.told(rejection.effects)]

    def told(self, effects: Effects) -> list[str]:
        return [self.tell(effect) for effect in effects]

    def tell(self, effect: Effect[str, str]) -> str:
        match effect:
            case Deliver(invocation, connection):
                self.known[invocation.invocation_id] = invocation
                return f"deliver {invocation.invocation_id} to {connection}"
            case Refuse(caller, error_type):
                return f"refuse {caller} {error_type}"
            case Fail(invocation, error_type, message):
                return f"fail {invocation.invocation_id} {error_type}: {message}"
            case ReleaseSlot(invocation, error_type):
                return f"release {invocation.invocation_id} {error_type}".rstrip()
            case BecomeReady():
                return "ready"
            case BeginRecycling():
                return "recycle"
            case RefusePoll(connection):
                return f"refuse poll {connection}"
            case End(failure):
                return "end" if failure is None else f"end {failure.error_type}"


def ready(workers: RuntimeWorkers = OWN, *, slots: int = 2, polls: str = "ab") -> Scene:
    """Init is over and these connections poll."""
    scene = Scene(workers, slots=slots)
    scene.play(f">> poll {polls[0]}\n<< ready\n" + "".join(f">> poll {poll}\n" for poll in polls[1:]))
    return scene
