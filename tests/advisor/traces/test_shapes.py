import math

import pytest

from paddock.advisor.documents import InputError
from paddock.advisor.traces.shapes import Shape, ShapeKind, draw


@pytest.mark.parametrize("kind", list(ShapeKind))
def test_a_shape_stays_between_base_and_peak_and_touches_both(kind: ShapeKind) -> None:
    trace = draw(Shape(kind, 10, 50, days=14))

    assert trace.minutes == 14 * 1440
    assert trace.counts.min() == pytest.approx(600, rel=1e-3)
    assert trace.counts.max() == pytest.approx(600 if kind is ShapeKind.STEADY else 3000, rel=1e-3)


def test_a_weekend_is_quieter_than_a_weekday() -> None:
    trace = draw(Shape(ShapeKind.WEEKLY, 10, 50, days=7))
    per_day = trace.counts.reshape(7, 1440).max(axis=1)

    assert per_day[5] < per_day[4]
    assert per_day[6] == per_day[5]


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (Shape(ShapeKind.STEADY, 0), "without traffic"),
        (Shape(ShapeKind.STEADY, -1), "from 0 to"),
        (Shape(ShapeKind.STEADY, math.nan), "from 0 to"),
        (Shape(ShapeKind.STEADY, 1e300), "from 0 to"),
        (Shape(ShapeKind.STEP, 5, math.inf), "from 0 to"),
        (Shape(ShapeKind.STEP, 5, 1), "below the base"),
        (Shape(ShapeKind.STEP, 5), "needs a peak"),
        (Shape(ShapeKind.STEADY, 5, days=0), "1 to 800 days"),
        (Shape(ShapeKind.STEADY, 5, days=10**9), "1 to 800 days"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: Shape, says: str) -> None:
    with pytest.raises(InputError, match=says):
        draw(shape)
