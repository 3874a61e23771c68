from paddock.core.environment.late import REMEMBERED, LateInvocations


def test_what_is_remembered_is_found_once() -> None:
    late = LateInvocations()
    late.remember("r1")

    assert late.take("r1")
    assert not late.take("r1")
    assert not late.take("r2")


def test_only_so_many_are_remembered_the_oldest_goes_first() -> None:
    late = LateInvocations()
    for number in range(REMEMBERED + 1):
        late.remember(f"r{number}")

    assert not late.take("r0")
    assert late.take("r1")
    assert late.take(f"r{REMEMBERED}")
