import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.controlplane.cloudwatch.expressions import DEEPEST, ExpressionError
from paddock.controlplane.cloudwatch.search import LONGEST, labels_of, read_search
from paddock.model.metrics import MetricId, metric_id

OF_HELLO = metric_id("AWS/Lambda", "Errors", {"FunctionName": "hello-ProjectA"})
OF_OTHER = metric_id("AWS/Lambda", "Errors", {"FunctionName": "other"})
OF_VERSION = metric_id("AWS/Lambda", "Errors", {"FunctionName": "other", "Resource": "other:1"})
INVOCATIONS = metric_id("AWS/Lambda", "Invocations", {"FunctionName": "other"})
OF_ALL = metric_id("AWS/Lambda", "Errors", {})
CUSTOM = metric_id("Shop", "CustomCount1", {"Dim@Name": "t2.micro", "Place": "Network-Errors-2"})
ODD = metric_id("My Shop", "Traffic(Network)", {})
METRICS = (OF_HELLO, OF_OTHER, OF_VERSION, INVOCATIONS, OF_ALL, CUSTOM, ODD)


def found(text: str) -> set[MetricId]:
    search = read_search(text)
    return {metric for metric in METRICS if search.matches(metric)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{AWS/Lambda,FunctionName} MetricName="Errors"', {OF_HELLO, OF_OTHER}),
        (' {AWS/Lambda, FunctionName}, MetricName="Errors" ', {OF_HELLO, OF_OTHER}),
        ('{AWS/Lambda,FunctionName} MetricName = "Errors"', {OF_HELLO, OF_OTHER}),
        ("{AWS/Lambda,Resource,FunctionName}", {OF_VERSION}),
        ('{AWS/Lambda} MetricName="Errors"', {OF_HELLO, OF_OTHER, OF_VERSION, OF_ALL}),
        ('{"My Shop"}', {ODD}),
        ('{Shop,"Dim@Name",Place}', {CUSTOM}),
        ("{AWS/Lambda,FunctionName} Errors", {OF_HELLO, OF_OTHER}),
        ('{AWS/Lambda,FunctionName} FunctionName="other"', {OF_OTHER, INVOCATIONS}),
        ('{AWS/Lambda,FunctionName} FunctionName="othe"', set()),
        ("{AWS/Lambda,FunctionName} MetricName=Errors FunctionName=other", {OF_OTHER}),
        ("{AWS/Lambda,FunctionName} FunctionName=(other OR nobody) Errors", {OF_OTHER}),
        (
            '{AWS/Lambda,FunctionName} MetricName="Errors" AND ProjectA OR (MetricName="Invocations" AND (A OR other))',
            {OF_HELLO, INVOCATIONS},
        ),
        ("{AWS/Lambda,FunctionName} MetricName=Errors NOT ProjectA", {OF_OTHER}),
        ("NOT Namespace=AWS", {CUSTOM, ODD}),
        ('NOT Namespace="AWS/Lambda" NOT Shop', set()),
        ("InstanceType=micro", set()),
        ("Dim", {CUSTOM}),
        ('"Dim@Name"=micro', {CUSTOM}),
        ('"CustomCount1"', {CUSTOM}),
        ('"customcount1"', set()),
        ('"Custom"', set()),
        ('"Shop"', {CUSTOM}),
        (r'"Traffic\(Network\)"', {ODD}),
        (r'MetricName="Traffic(Network)"', {ODD}),
    ],
)
def test_searches_find(text: str, meant: set[MetricId]) -> None:
    assert found(text) == meant


@pytest.mark.parametrize("term", ["count", "Count", "COUNT", "CustomCount", "Count1", "1", "CustomCount1"])
def test_a_term_is_found_where_its_pieces_follow_one_another(term: str) -> None:
    assert CUSTOM in found(f"MetricName={term}")


@pytest.mark.parametrize("term", ["network/errors", "network+errors", "network-errors", "Network_Errors", "errors-2"])
def test_what_is_no_letter_or_digit_only_parts(term: str) -> None:
    assert found(f"Place={term}") == {CUSTOM}


@pytest.mark.parametrize("term", ["couNT", "customcount", "count1", "oun", "Count2", "1Custom"])
def test_other_pieces_are_not_found(term: str) -> None:
    assert CUSTOM not in found(f"MetricName={term}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "{}",
        "{AWS/Lambda",
        "AWS/Lambda}{",
        '"open',
        "(Errors",
        "Errors)",
        "Errors OR",
        "OR Errors",
        "Errors AND",
        "NOT",
        "MetricName=",
        "= Errors",
        "-",
        ':aws.AccountId="1"',
        "(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1),
        "a" * (LONGEST + 1),
    ],
)
def test_what_is_no_search_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        read_search(text)


@given(st.text(alphabet='aB1 {},"()=\\ANDORT-', max_size=60))
def test_any_text_is_a_search_or_refused(text: str) -> None:
    try:
        search = read_search(text)
    except ExpressionError:
        return
    assert search.matches(CUSTOM) in (True, False)


def test_labels_say_what_tells_metrics_apart() -> None:
    assert labels_of([OF_HELLO, OF_OTHER]) == ["hello-ProjectA", "other"]
    assert labels_of([OF_OTHER, INVOCATIONS]) == ["Errors", "Invocations"]
    assert labels_of([OF_OTHER, OF_ALL]) == ["other", "Errors"]
    assert labels_of([OF_OTHER, CUSTOM]) == ["AWS/Lambda other Errors", "Shop t2.micro Network-Errors-2 CustomCount1"]
    assert labels_of([OF_ALL]) == ["Errors"]
    assert labels_of([]) == []
