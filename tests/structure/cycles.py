"""Cycles in a directed graph."""

from collections.abc import Collection, Iterator, Mapping
from itertools import count

Graph = Mapping[str, Collection[str]]


def cycles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other, each sorted: Tarjan's strongly connected components.

    A node alone counts when it points at itself.
    """
    search = _Search(graph)
    return [sorted(group) for group in search.components() if len(group) > 1 or group[0] in graph[group[0]]]


class _Search:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.numbers = count()
        self.index: dict[str, int] = {}  # order of discovery
        self.low: dict[str, int] = {}  # the earliest node on the path that can be reached
        self.path: list[str] = []

    def components(self) -> Iterator[list[str]]:
        for node in self.graph:
            if node not in self.index:
                yield from self._visit(node)

    def _visit(self, node: str) -> Iterator[list[str]]:
        self.index[node] = self.low[node] = next(self.numbers)
        self.path.append(node)
        for neighbour in self.graph[node]:
            if neighbour not in self.index:
                yield from self._visit(neighbour)
                self.low[node] = min(self.low[node], self.low[neighbour])
            elif neighbour in self.path:
                self.low[node] = min(self.low[node], self.index[neighbour])
        if self.low[node] == self.index[node]:
            start = self.path.index(node)
            yield self.path[start:]
            del self.path[start:]
