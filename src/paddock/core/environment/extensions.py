"""The extensions of one execution environment: who may register, what each waits for, when init is over with them.

Knows neither sockets nor processes: a poll is the shell's own, kept and handed back with the event that answers it.
Sources: AWS's open agent code (Runtime Interface Emulator); Lambda developer guide, "Extensions API".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from paddock.core.environment import errors

PollT = TypeVar("PollT", bound=Hashable)

MAX_EXTENSIONS = 10
"""External and internal ones together (Lambda quotas)."""


class ExtensionEvent(StrEnum):
    INVOKE = "INVOKE"
    SHUTDOWN = "SHUTDOWN"


class ExtensionState(StrEnum):
    """As `platform.extension` names them. STARTED: an external one whose process runs and has not registered. READY: it
    asks for an event. RUNNING: it has an INVOKE event. INIT_ERROR, EXIT_ERROR: it said that it cannot go on.
    """

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"
    EXITED = "Exited"


_OVER = {ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR, ExtensionState.EXITED}
"""It is given nothing more."""


class Refused(NamedTuple):
    """How a request of an extension is answered that is not accepted."""

    status: int
    error_type: str
    message: str


class Fatal(NamedTuple):
    """The environment cannot go on."""

    error_type: str
    text: str


class Delivery(NamedTuple, Generic[PollT]):
    """Answer this poll with the event that was just given out."""

    poll: PollT
    identifier: str
    event: bytes


class Extension(Generic[PollT]):
    """`pending` is an event that came while it was not asking; `error_type` is why it is over. Changed by `Extensions`
    only.
    """

    __slots__ = ("error_type", "events", "external", "identifier", "name", "pending", "poll", "state")

    def __init__(self, name: str, *, external: bool) -> None:
        self.name = name
        self.external = external
        self.identifier = ""
        self.events: frozenset[ExtensionEvent] = frozenset()
        self.state = ExtensionState.STARTED
        self.error_type = ""
        self.poll: PollT | None = None
        self.pending: bytes | None = None

    @property
    def registered(self) -> bool:
        return bool(self.identifier)

    @property
    def is_back(self) -> bool:
        """Whether nobody has to wait for it. For one that cannot go on its end is waited for, or the time."""
        return self.state is ExtensionState.READY


class Extensions(Generic[PollT]):
    """`managed`: on Managed Instances there is no INVOKE event, and internal extensions get no event at all."""

    def __init__(self, *, managed: bool) -> None:
        self.managed = managed
        self.fatal: Fatal | None = None
        self.registration_open = True
        self._by_name: dict[str, Extension[PollT]] = {}
        self._by_identifier: dict[str, Extension[PollT]] = {}

    # What is known

    @property
    def registered(self) -> tuple[Extension[PollT], ...]:
        """In the order of registration."""
        return tuple(self._by_identifier.values())

    @property
    def known(self) -> tuple[Extension[PollT], ...]:
        """Those, too, that never registered; external ones first."""
        return tuple(self._by_name.values())

    @property
    def external_registered(self) -> bool:
        """The runtime is started then."""
        return all(one.registered for one in self._by_name.values())

    @property
    def all_back(self) -> bool:
        """Each one that registered has asked for its next event: init is over, or an invocation on default Lambda."""
        return all(one.is_back for one in self._by_identifier.values())

    # Init

    def launch(self, names: Sequence[str]) -> Fatal | None:
        """These are being started as external extensions."""
        if len(names) > MAX_EXTENSIONS:
            return self.keep(errors.TOO_MANY_EXTENSIONS, f"{len(names)} extensions; the limit is {MAX_EXTENSIONS}.")
        for name in names:
            self._by_name[name] = Extension(name, external=True)
        return None

    def launch_failed(self, name: str, error_type: str) -> None:
        """It was not executed at all."""
        self._by_name[name].state = ExtensionState.LAUNCH_ERROR
        self._by_name[name].error_type = error_type

    def register(self, name: str, events: Sequence[str], identifier: str) -> Refused | Extension[PollT]:
        """`identifier` is a new one, in case it is accepted."""
        if not name:
            return _forbidden("Extension.InvalidExtensionName", "Empty extension name")
        if not self.registration_open:
            return _forbidden("Extension.RegistrationClosed", "Extension registration closed already")
        extension = self._by_name.get(name)
        if extension is not None and extension.state is not ExtensionState.STARTED:
            return invalid_state(name)
        external = extension is not None
        for event in events:
            if event not in self._events_for(external=external):
                return _forbidden("Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
        if extension is None:
            if len(self._by_name) >= MAX_EXTENSIONS:
                return _forbidden(errors.TOO_MANY_EXTENSIONS, f"Extension limit ({MAX_EXTENSIONS}) reached")
            extension = self._by_name[name] = Extension(name, external=False)
        extension.identifier = identifier
        extension.events = frozenset(ExtensionEvent(event) for event in events)
        extension.state = ExtensionState.REGISTERED
        self._by_identifier[identifier] = extension
        return extension

    def _events_for(self, *, external: bool) -> Sequence[str]:
        if self.managed:
            return (ExtensionEvent.SHUTDOWN,) if external else ()
        return (ExtensionEvent.INVOKE, ExtensionEvent.SHUTDOWN) if external else (ExtensionEvent.INVOKE,)

    def runtime_polled(self) -> None:
        """Its first poll closes registration."""
        self.registration_open = False

    # Events

    def find(self, identifier: str) -> Refused | Extension[PollT]:
        """By the identifier that came with a request; the shell has looked at its form."""
        found = self._by_identifier.get(identifier)
        return unknown_identifier(identifier) if found is None else found

    def ask(self, extension: Extension[PollT], poll: PollT) -> Refused | bytes | None:
        """It asks for its next event: an event that waits for it, or None: the poll stays open. A later poll of the
        same extension takes the place of an earlier one.
        """
        if extension.state in _OVER:
            return invalid_state(extension.name)
        event, extension.pending = extension.pending, None
        if event is None:
            extension.state = ExtensionState.READY
            extension.poll = poll
        return event

    def poll_lost(self, poll: PollT) -> None:
        for extension in self._by_identifier.values():
            if extension.poll == poll:
                extension.poll = None

    def give(self, kind: ExtensionEvent, event: bytes) -> tuple[Delivery[PollT], ...]:
        """To all that subscribed: at once to those that ask, to the others when they do."""
        deliveries = []
        for extension in self._by_identifier.values():
            if kind not in extension.events or extension.state in _OVER:
                continue
            poll, extension.poll = extension.poll, None
            if kind is ExtensionEvent.INVOKE:
                extension.state = ExtensionState.RUNNING
            if poll is None:
                extension.pending = event
            else:
                deliveries.append(Delivery(poll, extension.identifier, event))
        return tuple(deliveries)

    # Failures

    def failed(self, extension: Extension[PollT], error_type: str, *, init: bool) -> Refused | None:
        """It posts that it cannot go on. Its process is expected to end then."""
        allowed = {ExtensionState.REGISTERED} if init else set(ExtensionState) - {ExtensionState.EXITED}
        if extension.state not in allowed:
            return invalid_state(extension.name)
        extension.state = ExtensionState.INIT_ERROR if init else ExtensionState.EXIT_ERROR
        default = errors.EXTENSION_INIT_ERROR if init else errors.EXTENSION_EXIT_ERROR
        kept = extension.error_type = errors.sanitised_extension_error_type(error_type, default)
        self.keep(kept, f"Extension {extension.name} reported {kept}.")
        return None

    def exited(self, name: str, how: str) -> Fatal:
        """The process of an external one is gone, whatever its status."""
        extension = self._by_name[name]
        if extension.state not in _OVER:
            extension.state = ExtensionState.EXITED
            extension.error_type = errors.EXTENSION_CRASH
        extension.poll = None
        return self.keep(errors.EXTENSION_CRASH, f"Extension {name}: {how}")

    def keep(self, error_type: str, text: str) -> Fatal:
        """The first fatal error is what is reported."""
        if self.fatal is None:
            self.fatal = Fatal(error_type, text)
        return self.fatal


def _forbidden(error_type: str, message: str) -> Refused:
    return Refused(403, error_type, message)


def invalid_state(name: str) -> Refused:
    return _forbidden("Extension.InvalidExtensionState", f"State transition is not allowed for extension {name}")


def unknown_identifier(identifier: str) -> Refused:
    return _forbidden("Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")


MISSING_IDENTIFIER = _forbidden("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
INVALID_IDENTIFIER = _forbidden("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
MISSING_ERROR_TYPE = _forbidden("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
INVALID_FORMAT = _forbidden("InvalidRequestFormat", "The request body is not valid JSON")
