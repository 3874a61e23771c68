"""Whose answer is whose: by tables and by anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.agent import dns_messages as messages
from tests.agent.name_messages import (
    AAAA,
    FORMAT_ERROR,
    NO_SUCH_NAME,
    REFUSED,
    SERVER_FAILURE,
    A,
    answer_to,
    code_of,
    id_of,
    name,
    query,
    without_question,
)

LABELS = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=63), max_size=3
)
NAMES = LABELS.map(".".join)
IDS = st.integers(0, 0xFFFF)
KINDS = st.integers(0, 0xFFFF)


def asked(text: str = "db.example", kind: int = A) -> messages.Question:
    found = messages.question_of(query(text, kind=kind))
    assert found is not None
    return found


@given(NAMES, IDS, KINDS, st.binary(max_size=40))
def test_a_question_is_found_whatever_stands_behind_it(text: str, message_id: int, kind: int, more: bytes) -> None:
    whole = query(text, message_id, kind, more=more)
    question = messages.question_of(whole)
    assert question is not None
    assert (question.name, question.kind, question.of_class) == (name(text.lower()), kind, 1)
    assert whole[question.end :] == more


@given(NAMES, IDS, IDS, KINDS)
def test_an_answer_is_only_known_by_id_and_question(text: str, one: int, other: int, kind: int) -> None:
    question = messages.question_of(query(text, one, kind))
    assert question is not None
    answer = answer_to(query(text, one, kind), "10.0.0.1")
    assert messages.is_answer_to(answer, one, question)
    assert messages.is_answer_to(answer, other, question) == (one == other)
    assert not messages.is_answer_to(query(text, one, kind), one, question)
    assert not messages.is_answer_to(answer_to(query(f"{text}.x", one, kind)), one, question)
    assert not messages.is_answer_to(answer_to(query(text, one, kind ^ 1)), one, question)


@given(NAMES, IDS)
def test_letters_of_a_name_may_come_back_in_another_case(text: str, message_id: int) -> None:
    question = messages.question_of(query(text, message_id))
    assert question is not None
    assert messages.is_answer_to(answer_to(query(text.swapcase(), message_id)), message_id, question)


@given(st.binary(max_size=300), IDS)
def test_nothing_that_arrives_is_too_strange_to_be_read(message: bytes, message_id: int) -> None:
    question = messages.question_of(message)
    assert question is None or question.end <= len(message)
    if messages.is_query(message):
        refusal = messages.refusal(message, SERVER_FAILURE)
        assert (id_of(refusal), code_of(refusal)) == (id_of(message), SERVER_FAILURE)
        assert not messages.is_query(refusal)
    messages.is_answer_to(message, message_id, asked())


@given(st.binary(min_size=12, max_size=80), IDS)
def test_an_id_is_put_before_a_message_and_nothing_else_changes(message: bytes, message_id: int) -> None:
    changed = messages.with_id(message, message_id)
    assert (messages.message_id(changed), changed[2:]) == (message_id, message[2:])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", b""),
        ("half a header", b"\0" * 11),
        ("no question", b"\0" * 12),
        ("two questions", query("a.b")[:4] + b"\0\2" + query("a.b")[6:]),
        ("a name without an end", query("a.b")[:14]),
        ("a name without its kind", query("a.b")[:-1]),
        ("a compressed name", query("a.b")[:12] + b"\xc0\x0c\0\1\0\1"),
        ("a label of another kind", query("a.b")[:12] + b"\x41" + b"a" * 65 + b"\0\0\1\0\1"),
        ("a name above 255 bytes", query(".".join(["a" * 63] * 4))),
    ],
)
def test_what_is_no_single_plain_question_is_none(what: str, message: bytes) -> None:
    assert messages.question_of(message) is None, what


def test_the_longest_name_is_a_question() -> None:
    assert asked(".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])).kind == A


@pytest.mark.parametrize(
    ("code", "believed"), [(FORMAT_ERROR, True), (SERVER_FAILURE, True), (REFUSED, True), (NO_SUCH_NAME, False)]
)
def test_only_who_cannot_answer_may_leave_the_question_out(code: int, believed: bool) -> None:
    answer = without_question(query("db.example"), code)
    assert messages.is_answer_to(answer, 7, asked()) == believed


def test_a_refusal_is_an_answer_to_its_question() -> None:
    refusal = messages.refusal(query("Db.Example", more=b"\0\0\x29"), SERVER_FAILURE)
    assert messages.is_answer_to(refusal, 7, asked())
    assert refusal[12:] == query("Db.Example")[12:]
    assert messages.code_of(refusal) == SERVER_FAILURE


def test_a_refusal_of_what_cannot_be_read_has_no_question() -> None:
    refusal = messages.refusal(query("a.b")[:14], FORMAT_ERROR)
    assert refusal[4:] == b"\0" * 8


@pytest.mark.parametrize("text", ["localhost", "LocalHost", "abc.lambda-url.us-east-1.localhost"])
def test_localhost_and_all_below_it_is_the_loopback(text: str) -> None:
    whole = query(text, kind=A)
    question = messages.question_of(whole)
    assert question is not None
    assert question.is_localhost
    assert messages.loopback_answer(whole, question) == answer_to(whole, "127.0.0.1")[:-10] + b"\0\0\0\0\0\x04" + bytes(
        [127, 0, 0, 1]
    )


def test_localhost_has_no_address_of_another_kind() -> None:
    whole = query("localhost", kind=AAAA)
    assert messages.loopback_answer(whole, asked("localhost", AAAA)) == answer_to(whole)


@pytest.mark.parametrize("text", ["localhost.example", "notlocalhost", "local", ""])
def test_other_names_are_not_the_loopback(text: str) -> None:
    assert not asked(text).is_localhost
