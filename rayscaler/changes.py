"""Row-level changes of a database, and when two sets of them mean the same.

A verdict is a comparison of two change sets: what the agent's run changed and what gold changed, from the same seeded
start. Two runs that create the same booking in another order give it another generated id, so equality is decided up to
generated ids and declared volatile columns (`Identity`), free of order.

    RowChange(table="orders", op="update", key={"order_id": "ord-0007"},
              before={"status": "pending"}, after={"status": "cancelled"})

How equality is decided: every change is a node with its content as label, a reference to an inserted row is an edge,
and two change sets are the same when the two labelled graphs are isomorphic. Labels are refined until stable, which
settles every forest; what is still ambiguous is tried. The cost follows the changes, not the database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | None
Row = dict[str, Scalar]


class RowChange(BaseModel):
    """One row that differs between two states of one database.

    insert: `before` is None and `after` the whole row. delete: `after` is None and `before` the whole row.
    update: `before` and `after` hold the changed columns only. `key` is the primary key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    op: Literal["insert", "update", "delete"]
    key: Row
    before: Row | None = None
    after: Row | None = None


class Change(Protocol):
    """What a comparison reads of a `RowChange`: where one is stored, it need not be built whole."""

    @property
    def table(self) -> str: ...
    @property
    def op(self) -> Literal["insert", "update", "delete"]: ...
    @property
    def key(self) -> Row: ...
    @property
    def after(self) -> Row | None: ...


Changes = tuple[RowChange, ...]
"""At most one change per (table, key), sorted by table, then key."""


class Identity(BaseModel):
    """Which values carry no meaning of their own.

    generated: table -> columns whose value the environment made up (a primary key from a counter).
    references: table -> column -> the table whose primary key it holds.
    volatile: table -> columns left out of every comparison (`updated_at`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generated: dict[str, tuple[str, ...]] = {}
    references: dict[str, dict[str, str]] = {}
    volatile: dict[str, tuple[str, ...]] = {}


class Difference(NamedTuple):
    """One way in which a run's changes are not gold's: a row that is missing, extra, or different."""

    kind: Literal["missing", "extra", "different"]
    table: str
    text: str


def same_changes(a: Sequence[Change], b: Sequence[Change], identity: Identity) -> bool:
    """Whether `a` and `b`, from one start, mean the same: up to generated ids and volatile columns, free of order.

    There must be one bijection between the rows that `a` inserted and those that `b` inserted under which all changes
    agree. Generated columns that are no key are left out like volatile ones. References follow `identity.references`;
    an id inside a text or JSON column is compared as it stands.
    """
    return _same(_nodes(a, identity), _nodes(b, identity))


def explain_changes(gold: Sequence[Change], found: Sequence[Change], identity: Identity) -> list[Difference]:
    """What is missing from `found`, extra in it, or different, row by row; empty exactly when they are the same."""
    left, right = _nodes(gold, identity), _nodes(found, identity)
    if _same(left, right):
        return []
    pairs = _paired(left, right) if left and right else {}
    differences = []
    for i, j in sorted(pairs.items()):
        text = _compared(left[i], right[j], pairs)
        if text:
            differences.append(Difference("different", left[i].table, f"{_named(left[i])}: {text}"))
    matched = set(pairs.values())
    differences += [Difference("missing", n.table, _told(n)) for i, n in enumerate(left) if i not in pairs]
    differences += [Difference("extra", n.table, _told(n)) for j, n in enumerate(right) if j not in matched]
    if not differences:
        differences.append(Difference("different", left[0].table, "the new rows refer to each other in another way"))
    return differences


class _Node(NamedTuple):
    """One change: what it says by itself, and the inserted rows that its columns refer to (positions of nodes)."""

    table: str
    op: str
    key: Row
    literal: tuple[tuple[str, Scalar], ...]
    edges: tuple[tuple[str, int], ...]

    def shifted(self, by: int) -> _Node:
        return self._replace(edges=tuple((column, target + by) for column, target in self.edges))


def _nodes(changes: Sequence[Change], identity: Identity) -> list[_Node]:
    """The changes without columns that carry no meaning; an update of nothing else is left out."""
    kept = []
    for change in changes:
        silent = {*identity.generated.get(change.table, ()), *identity.volatile.get(change.table, ())}
        if change.op == "update":
            after = {c: v for c, v in (change.after or {}).items() if c not in silent}
            if after:
                kept.append((change, {**change.key, **after}))
        elif change.op == "delete":
            kept.append((change, change.key))
        else:
            # A key that is generated and at the same time a reference (one row per parent) says whose row it is.
            told = identity.references.get(change.table, {})
            kept.append((change, {c: v for c, v in (change.after or {}).items() if c not in silent or
                                  (c in change.key and c in told)}))
    inserted = {(c.table, *c.key.values()): i for i, (c, _) in enumerate(kept) if c.op == "insert"}
    return [_node(change, says, i, inserted, identity) for i, (change, says) in enumerate(kept)]


def _node(
    change: Change, says: Row, position: int, inserted: dict[tuple[Any, ...], int], identity: Identity
) -> _Node:
    references = identity.references.get(change.table, {})
    literal, edges = [], []
    for column, value in sorted(says.items()):
        target = inserted.get((references.get(column), value))
        if target is None:
            literal.append((column, value))
        elif target == position:
            literal.append((f"{column} (itself)", None))
        else:
            edges.append((column, target))
    return _Node(change.table, change.op, change.key, tuple(literal), tuple(edges))


def _same(left: list[_Node], right: list[_Node]) -> bool:
    if len(left) != len(right):
        return False
    nodes = [*left, *(n.shifted(len(left)) for n in right)]
    return _isomorphic(nodes, len(left), _refined(nodes, _labels(nodes)))


def _typed(value: Scalar) -> tuple[str, Scalar]:
    # 1 and 1.0 are one number to SQL; a text is never a number.
    return ("text" if isinstance(value, str) else "number", value)


def _labels(nodes: list[_Node]) -> list[int]:
    return _numbered([(n.table, n.op, tuple((c, _typed(v)) for c, v in n.literal)) for n in nodes])


def _numbered(keys: Iterable[Any]) -> list[int]:
    numbers: dict[Any, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _refined(nodes: list[_Node], labels: list[int], *, upwards: bool = True) -> list[int]:
    """Labels that also say what a node refers to and (with `upwards`) what refers to it, repeated until stable."""
    sources: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for i, node in enumerate(nodes):
        for column, target in node.edges:
            sources[target].append((column, i))
    while True:
        keys = []
        for i, node in enumerate(nodes):
            out = tuple((column, labels[target]) for column, target in node.edges)
            into = tuple(sorted((column, labels[source]) for column, source in sources[i])) if upwards else ()
            keys.append((labels[i], out, into))
        finer = _numbered(keys)
        if max(finer, default=0) == max(labels, default=0):
            return finer
        labels = finer


def _isomorphic(nodes: list[_Node], half: int, labels: list[int]) -> bool:
    """Whether nodes[:half] and nodes[half:] are isomorphic. `labels` are stable under refinement."""
    count = Counter(labels[:half])
    if count != Counter(labels[half:]):
        return False
    unclear = [i for i in range(half) if count[labels[i]] > 1]
    if _is_forest(nodes, set(unclear)):
        return True
    # Each unclear node of the left must be some node of the right with its label: fix one, refine, go on.
    first = min(unclear, key=lambda i: (count[labels[i]], i))
    fresh = max(labels) + 1
    for other in range(half, len(nodes)):
        if labels[other] == labels[first]:
            fixed = [fresh if i in (first, other) else label for i, label in enumerate(labels)]
            if _isomorphic(nodes, half, _refined(nodes, _numbered(fixed))):
                return True
    return False


def _is_forest(nodes: list[_Node], among: set[int]) -> bool:
    """Whether the edges between the nodes `among` have no cycle, directions aside. Stable labels settle forests."""
    root = {i: i for i in among}

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    inside = [(i, target) for i in sorted(among) for _, target in nodes[i].edges if target in root]
    for i, target in inside:
        one, other = find(i), find(target)
        if one == other:
            return False
        root[one] = other
    return True


def _paired(left: list[_Node], right: list[_Node]) -> dict[int, int]:
    """Which change of `right` answers which of `left`: the most alike first, each at most once."""
    nodes = [*left, *(n.shifted(len(left)) for n in right)]
    own = _labels(nodes)
    pairs: dict[int, int] = {}
    by_key = _numbered((i,) if n.op == "insert" else (n.table, *n.key.values()) for i, n in enumerate(nodes))
    for labels in (_refined(nodes, own), _refined(nodes, own, upwards=False), own, by_key):
        _pair_by(labels, len(left), pairs)
    for i, node in enumerate(left):
        if i in pairs or node.op != "insert":
            continue
        taken = set(pairs.values())
        alike = [(_overlap(node, other), -j) for j, other in enumerate(right)
                 if j not in taken and (other.table, other.op) == (node.table, "insert")]
        if alike:
            pairs[i] = -max(alike)[1]
    return pairs


def _pair_by(labels: list[int], half: int, pairs: dict[int, int]) -> None:
    taken = set(pairs.values())
    free: dict[int, list[int]] = defaultdict(list)
    for j in range(len(labels) - 1, half - 1, -1):
        if j - half not in taken:
            free[labels[j]].append(j - half)
    for i in range(half):
        if i not in pairs and free[labels[i]]:
            pairs[i] = free[labels[i]].pop()


def _overlap(a: _Node, b: _Node) -> int:
    return len(set(a.literal) & set(b.literal)) + len({c for c, _ in a.edges} & {c for c, _ in b.edges})


def _compared(gold: _Node, found: _Node, pairs: dict[int, int]) -> str:
    """How two paired changes differ, in words; empty if they do not."""
    if gold.op != found.op:
        return f"gold has {gold.op}, the run has {found.op}"
    wanted = {**dict(gold.literal), **{c: f"new row {pairs.get(t, -1)}" for c, t in gold.edges}}
    has = {**dict(found.literal), **{c: f"new row {t}" for c, t in found.edges}}
    parts = []
    for column in sorted(wanted.keys() | has.keys()):
        if column not in has:
            parts.append(f"{column} should change to {_shown(wanted[column])}")
        elif column not in wanted:
            parts.append(f"{column} should not change, found {_shown(has[column])}")
        elif _typed(wanted[column]) != _typed(has[column]):
            parts.append(f"{column} should be {_shown(wanted[column])}, found {_shown(has[column])}")
    return "; ".join(parts)


def _named(node: _Node) -> str:
    if node.op != "insert":
        return f"{node.op} of {node.table} {', '.join(_shown(v) for v in node.key.values())}"
    said = ", ".join(f"{c} {_shown(v)}" for c, v in node.literal[:5] if v is not None)
    return f"insert into {node.table} ({said})"


def _told(node: _Node) -> str:
    """A change that has no counterpart: its name and, for an update, what it sets."""
    said = ", ".join(f"{c} {_shown(v)}" for c, v in node.literal if c not in node.key)
    return f"{_named(node)} ({said})" if node.op == "update" and said else _named(node)


def _shown(value: Scalar) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
