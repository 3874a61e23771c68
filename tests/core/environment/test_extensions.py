"""Who may register, what each waits for, and when init is over with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.environment import errors
from paddock.core.environment.extensions import (
    MAX_EXTENSIONS,
    Delivery,
    Extension,
    ExtensionEvent,
    Extensions,
    ExtensionState,
    Fatal,
    Refused,
)

MANAGED, CLASSIC = True, False


def launched(*names: str, managed: bool = MANAGED) -> Extensions[str]:
    extensions: Extensions[str] = Extensions(managed=managed)
    assert extensions.launch(names) is None
    return extensions


def registered(extensions: Extensions[str], name: str, *events: str) -> Extension[str]:
    extension = extensions.register(name, events, f"id-of-{name}")
    assert isinstance(extension, Extension)
    return extension


@pytest.mark.parametrize(
    ("managed", "name", "events", "refusal"),
    [
        (MANAGED, "external", [], None),
        (MANAGED, "external", ["SHUTDOWN"], None),
        (MANAGED, "external", ["INVOKE"], "INVOKE: ErrorInvalidEventType"),
        (MANAGED, "external", ["SHUTDOWN", "INVOKE"], "INVOKE: ErrorInvalidEventType"),
        (MANAGED, "external", ["shutdown"], "shutdown: ErrorInvalidEventType"),
        (MANAGED, "internal", [], None),
        (MANAGED, "internal", ["SHUTDOWN"], "SHUTDOWN: ErrorInvalidEventType"),
        (MANAGED, "internal", ["INVOKE"], "INVOKE: ErrorInvalidEventType"),
        (CLASSIC, "external", ["INVOKE", "SHUTDOWN"], None),
        (CLASSIC, "internal", ["INVOKE"], None),
        (CLASSIC, "internal", ["SHUTDOWN"], "SHUTDOWN: ErrorInvalidEventType"),
        (CLASSIC, "external", ["RESTORE"], "RESTORE: ErrorInvalidEventType"),
    ],
)
def test_which_events_an_extension_may_ask_for(
    managed: bool, name: str, events: list[str], refusal: str | None
) -> None:
    answer = launched("external", managed=managed).register(name, events, "id")
    if refusal is None:
        assert isinstance(answer, Extension)
        assert (answer.external, answer.state) == (name == "external", ExtensionState.REGISTERED)
    else:
        assert answer == Refused(403, "Extension.InvalidEventType", refusal)


def test_a_name_must_not_be_empty() -> None:
    answer = launched().register("", [], "id")
    assert isinstance(answer, Refused)
    assert (answer.status, answer.error_type) == (403, "Extension.InvalidExtensionName")


def test_a_name_registers_once() -> None:
    extensions = launched("a")
    registered(extensions, "a")
    registered(extensions, "b")
    for name in ("a", "b"):
        answer = extensions.register(name, [], "another")
        assert isinstance(answer, Refused)
        assert answer.error_type == "Extension.InvalidExtensionState"


def test_registration_closes_with_the_runtimes_first_poll() -> None:
    extensions = launched("a")
    extensions.runtime_polled()
    answer = extensions.register("a", [], "id")
    assert isinstance(answer, Refused)
    assert answer.error_type == "Extension.RegistrationClosed"


@given(st.integers(0, MAX_EXTENSIONS + 3), st.integers(0, MAX_EXTENSIONS + 3))
def test_external_and_internal_extensions_share_one_limit(external: int, internal: int) -> None:
    extensions: Extensions[str] = Extensions(managed=True)
    fatal = extensions.launch([f"external-{number}" for number in range(external)])
    assert (fatal is None) == (external <= MAX_EXTENSIONS)
    if fatal is not None:
        assert fatal.error_type == "Extension.TooManyExtensions"
        assert errors.reason_code(fatal.error_type, init=True) == "FunctionError.TooManyExtensions"
        return
    for number in range(internal):
        answer = extensions.register(f"internal-{number}", [], f"id-{number}")
        if external + number < MAX_EXTENSIONS:
            assert isinstance(answer, Extension)
        else:
            assert isinstance(answer, Refused)
            assert answer.error_type == "Extension.TooManyExtensions"


def test_the_runtime_waits_for_every_external_extension_to_register() -> None:
    extensions = launched("a", "b")
    seen = [extensions.external_registered]
    for name in ("a", "b"):
        registered(extensions, name)
        seen.append(extensions.external_registered)
    assert seen == [False, False, True]
    assert launched().external_registered


def test_init_waits_for_the_first_poll_of_every_extension_also_internal_ones() -> None:
    extensions = launched("external")
    seen = [extensions.all_back]
    both = registered(extensions, "external"), registered(extensions, "internal")
    for number, extension in enumerate(both):
        assert extensions.ask(extension, f"poll-{number}") is None
        seen.append(extensions.all_back)
    assert seen == [True, False, True]


def test_an_event_goes_to_subscribers_at_once_or_when_they_ask() -> None:
    extensions = launched("waits", "works", "deaf")
    waits, works = registered(extensions, "waits", "SHUTDOWN"), registered(extensions, "works", "SHUTDOWN")
    deaf = registered(extensions, "deaf")
    extensions.ask(waits, "poll-1")
    extensions.ask(deaf, "poll-2")
    assert extensions.give(ExtensionEvent.SHUTDOWN, b"end") == (Delivery("poll-1", "id-of-waits", b"end"),)
    assert extensions.ask(works, "poll-3") == b"end"
    assert extensions.ask(works, "poll-4") is None


def test_a_poll_that_is_gone_gets_no_event() -> None:
    extensions = launched("a")
    extension = registered(extensions, "a", "SHUTDOWN")
    extensions.ask(extension, "poll-1")
    extensions.poll_lost("poll-1")
    assert extensions.give(ExtensionEvent.SHUTDOWN, b"end") == ()
    assert extensions.ask(extension, "poll-2") == b"end"


def test_on_default_lambda_an_invocation_is_over_when_every_subscriber_asks_again() -> None:
    extensions = launched("a", managed=CLASSIC)
    external, internal = registered(extensions, "a", "INVOKE"), registered(extensions, "b", "INVOKE")
    extensions.ask(external, "poll-1")
    extensions.ask(internal, "poll-2")
    assert len(extensions.give(ExtensionEvent.INVOKE, b"1")) == 2
    assert not extensions.all_back
    assert extensions.ask(external, "poll-1") is None
    assert not extensions.all_back
    assert extensions.ask(internal, "poll-2") is None
    assert extensions.all_back


@pytest.mark.parametrize(
    ("posted", "init", "kept"),
    [
        ("Extension.NoConfig", True, "Extension.NoConfig"),
        ("whatever", True, "Extension.InitError"),
        ("Runtime.Sneaky", False, "Extension.ExitError"),
        ("", False, "Extension.ExitError"),
    ],
)
def test_what_an_extension_calls_its_error_is_kept_when_it_looks_like_one(posted: str, init: bool, kept: str) -> None:
    extensions = launched("a")
    extension = registered(extensions, "a")
    assert extensions.failed(extension, posted, init=init) is None
    assert extensions.fatal is not None
    assert extensions.fatal.error_type == kept
    assert errors.reason_code(kept, init=True) == "FunctionError.ExtensionInitError"
    refused = extensions.ask(extension, "poll")
    assert isinstance(refused, Refused)
    assert refused.error_type == "Extension.InvalidExtensionState"


def test_an_init_error_comes_before_the_first_poll() -> None:
    extensions = launched("a")
    extension = registered(extensions, "a")
    extensions.ask(extension, "poll")
    refused = extensions.failed(extension, "Extension.Late", init=True)
    assert isinstance(refused, Refused)
    assert refused.error_type == "Extension.InvalidExtensionState"
    assert extensions.failed(extension, "Extension.Late", init=False) is None


def test_the_first_fatal_error_stays_when_the_process_ends_after_it() -> None:
    extensions = launched("a", "b")
    extension = registered(extensions, "a")
    extensions.failed(extension, "Extension.NoConfig", init=True)
    assert extensions.exited("a", "exit status 1").error_type == "Extension.NoConfig"
    assert extensions.exited("b", "exit status 0").error_type == "Extension.NoConfig"


def test_an_exit_without_a_word_is_a_crash() -> None:
    assert launched("a").exited("a", "exit status 0") == Fatal("Extension.Crash", "Extension a: exit status 0")
