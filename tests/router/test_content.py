"""Which content of an Invoke request is taken, which is not, and in what words."""

from __future__ import annotations

import pytest

from paddock.model.errors import ApiError
from paddock.router.content import BAD_PAYLOAD, EMPTY_EVENT, checked_payload


@pytest.mark.parametrize("body", [b"{}", b"null", b" 1 ", b'"x"', b'{"a":[1,2]}', b"{}\n", '"é"'.encode()])
def test_an_event_that_is_json_is_passed_on_untouched(body: bytes) -> None:
    assert checked_payload(body) is body


def test_nothing_at_all_means_an_empty_object() -> None:
    assert checked_payload(b"") == EMPTY_EVENT


@pytest.mark.parametrize("body", [b"{", b"hello", b'{"a":1}}', b" ", b'"\xff"', b"'x'", b"[" * 200_000])
def test_an_event_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        checked_payload(body)
    assert caught.value.code == "InvalidRequestContentException"
    assert caught.value.message.startswith(BAD_PAYLOAD)
