"""Which operation is at this method and path? A tree of path segments, built from a service model's `requestUri`s."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote


class Route(NamedTuple):
    """Where the model puts one operation: `uri` like `/2018-10-31/layers/{LayerName}/versions?find=LayerVersion`."""

    method: str
    uri: str
    operation: str


class Match(NamedTuple):
    """`labels` are the decoded values of the path's placeholders, by the names the model gives them."""

    operation: str
    labels: dict[str, str]


class _Leaf(NamedTuple):
    operation: str
    labels: tuple[str, ...]
    query: frozenset[str]


class _Node:
    __slots__ = ("children", "greedy", "label", "leaves")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.greedy: _Node | None = None
        self.leaves: list[_Leaf] = []


class RouteTable:
    """Literal segments win over placeholders; among operations at one path the one that asks most of the query wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def match(self, method: str, path: str, query: str) -> Match | None:
        """A slash at the end does not count: older SDKs send one. Placeholders do not match nothing."""
        segments = path.rstrip("/").split("/")[1:]
        return _descend(self._root, [method, *segments], 0, [], frozenset(query.split("&")))

    def _add(self, route: Route) -> None:
        path, _, query = route.uri.partition("?")
        node = self._root
        labels = []
        for segment in [route.method, *path.rstrip("/").split("/")[1:]]:
            if not segment.startswith("{"):
                node = node.children.setdefault(segment, _Node())
                continue
            labels.append(segment.strip("{}+"))
            if segment.endswith("+}"):
                node.greedy = node.greedy or _Node()
                node = node.greedy
            else:
                node.label = node.label or _Node()
                node = node.label
        node.leaves.append(_Leaf(route.operation, tuple(labels), frozenset(query.split("&")) - {""}))
        node.leaves.sort(key=lambda leaf: -len(leaf.query))


def _descend(node: _Node, segments: list[str], at: int, values: list[str], query: frozenset[str]) -> Match | None:
    if at == len(segments):
        for leaf in node.leaves:
            if leaf.query <= query:
                return Match(leaf.operation, dict(zip(leaf.labels, values, strict=True)))
        return None
    segment = segments[at]
    child = node.children.get(segment)
    found = _descend(child, segments, at + 1, values, query) if child is not None else None
    if found is None and node.label is not None and segment:
        found = _descend(node.label, segments, at + 1, [*values, unquote(segment)], query)
    if found is None and node.greedy is not None and segment:
        rest = unquote("/".join(segments[at:]))
        found = _descend(node.greedy, segments, len(segments), [*values, rest], query)
    return found
