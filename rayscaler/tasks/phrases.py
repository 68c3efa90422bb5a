"""Noun phrases and goals: what the user wants of one call, in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayscaler.environment import CompiledTool, Entity, Operator, Semantic
from rayscaler.reasons import Reason
from rayscaler.tasks.draft import Draft, DraftCall, Failed, Known, Question, RowName
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.wording import noun, nouns, quoted, spelt
from rayscaler.toolspec import words

_BARE = frozenset({Semantic.PERSON, Semantic.FIRST_NAME, Semantic.LAST_NAME, Semantic.USERNAME, Semantic.EMAIL,
                   Semantic.COMPANY, Semantic.PHONE})


@dataclass
class Speech:
    """What has been said so far. `me` is the row that is the user in person; `hidden` facts are told when asked.

    scope: facts that are said in a sentence of their own.
    """

    draft: Draft
    me: RowName | None = None
    hidden: frozenset[str] = frozenset()
    scope: frozenset[str] = frozenset()
    told: list[RowName] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)

    def pick(self, options: list[str]) -> str:
        """One of `options`, by the draft's own randomness."""
        return options[int(self.draft.rng.integers(len(options)))]

    def known(self, facts: tuple[str, ...]) -> list[Known]:
        """The facts of these names."""
        return [self.draft.facts[f] for f in facts]


def goal(speech: Speech, call: DraftCall, questions: list[Question]) -> str:
    """The goal of one call as an imperative: `cancel my order from 3 March 2026`."""
    tool = speech.draft.spec.tool(call.tool)
    if not tool.operator.writes:
        return _question(speech, call, questions)
    plain = {Operator.UPDATE: _update, Operator.UNRELATE: _unrelate, Operator.TRANSFER: _transfer}
    if tool.operator in plain:
        return plain[tool.operator](speech, call)
    named = {Operator.CREATE: _create, Operator.RELATE: _relate}
    return named.get(tool.operator, _act)(speech, call, tool)


def point(speech: Speech, name: RowName, *, last: bool = False) -> str:
    """A noun phrase for a row: full at its first mention, short afterwards."""
    entity = speech.draft.spec.entity(name.entity)
    if name == speech.me:
        return "me" if last else f"my {noun(entity)} data"
    if name in speech.told:
        return _again(speech, name, entity)
    speech.told.append(name)
    mention = speech.draft.mentions.get(name)
    if mention is None:
        return f"the {noun(entity)}"
    if mention.kind == "created":
        return f"the new {noun(entity)}"
    if mention.kind == "via":
        return f"the {noun(entity)} of {point(speech, mention.parents[0])}"
    return _described(speech, name, entity)


def _again(speech: Speech, name: RowName, entity: Entity) -> str:
    same = [n for n in speech.told if n.entity == name.entity]
    mention = speech.draft.mentions.get(name)
    if len(same) == 1:
        return f"that {noun(entity)}"
    if mention is None or mention.kind != "facts":
        return f"the new {noun(entity)}"
    return _described(speech, name, entity, parent=False)


def _described(speech: Speech, name: RowName, entity: Entity, *, parent: bool = True) -> str:
    mention = speech.draft.mentions[name]
    every = speech.known(mention.facts)
    facts = [f for f in every if not any(f is not g and f.column.name == g.column.name and f.text in g.text and (
             f.text != g.text) for g in every)]
    around = "".join(_around(speech, p) for p in _above(speech, name)) if parent else ""
    owner = "my" if _mine(speech, name, mention.parents) else "the"
    if any(f.name in speech.hidden for f in facts):
        return f"one of {owner} {nouns(entity)}{around} {speech.pick(load('grammar')['which'])}"
    plain = [f for f in facts if f.column.semantic is Semantic.STATUS and f.words in ("status", "state")
             and " " not in f.text]
    adjectives = [f.text for f in plain]
    rest = [f for f in facts if f not in plain]
    head = " ".join([owner, *adjectives, noun(entity)])
    if mention.facts and all(f.column.name == entity.key for f in rest) and rest:
        return f"{head} {rest[0].text}{around}"
    named = ("name", "title", "username", "full name", "display name")
    naming = next((f for f in rest if f.column.name == entity.label or f.words in named), None)
    if naming is not None:
        rest = [f for f in rest if f is not naming]
        joint = speech.pick([" ", " ", " ", " called ", " named "]) if quoted("x", naming.column) != "x" else " "
        head = f"{head}{joint}{quoted(naming.text, naming.column)}"
    if naming is not None and rest:
        head, rest = f"{head} ({_the_one(rest)})", []
    tails = load("grammar")["tails"]
    special = [str(tails[f.words]).format(text=quoted(f.text, f.column)) for f in rest if f.words in tails]
    special += [f"{f.words[:-2]}on {f.text}" for f in rest if f.words.endswith((" at", " on")) and f.words not in tails]
    rest = [f for f in rest if f.words not in tails and not f.words.endswith((" at", " on"))]
    tail = " and ".join(f"{f.words} {quoted(f.text, f.column)}" for f in rest)
    if not facts and not around and owner == "the":
        if len(speech.draft.rows(entity.name)) > 1:
            raise Failed(Reason.AMBIGUOUS, f"{entity.singular}: nothing is said about which one is meant")
        head = f"the only {noun(entity)}"
    return f"{' '.join([head, *special])}{f' with {tail}' if tail else ''}{around}"


def _above(speech: Speech, name: RowName) -> list[RowName]:
    """Where the row is: its parents, but for those that are themselves told by it."""
    known = speech.draft.mentions
    return [p for p in known[name].parents if p not in known or known[p].kind != "via" or name not in known[p].parents]


def _the_one(facts: list[Known]) -> str:
    """What tells a row from another one of the same name: `the one due on 3 March 2026`."""
    tails = load("grammar")["tails"]
    if len(facts) == 1 and facts[0].words in tails:
        return "the one " + str(tails[facts[0].words]).format(text=quoted(facts[0].text, facts[0].column))
    return ", ".join(f"{f.words}: {f.text}" for f in facts)


def _mine(speech: Speech, name: RowName, parents: tuple[RowName, ...]) -> bool:
    """Whether the row belongs to the user in person."""
    if speech.me is None or speech.me in parents:
        return speech.me is not None
    row = speech.draft.row(name) or {}
    columns = speech.draft.spec.entity(name.entity).columns
    return any(c.references == speech.me.entity and row.get(c.name) == speech.me.key for c in columns)


def _around(speech: Speech, parent: RowName) -> str:
    """` in the calendar "Family"`: where the row is, if that has not been said."""
    if parent == speech.me or parent in speech.told[-2:]:
        return ""
    entity = speech.draft.spec.entity(parent.entity)
    inside = set(words(entity.singular)) & set(load("grammar")["containers"])
    return f" {'in' if inside else 'of'} {point(speech, parent)}"


def _question(speech: Speech, call: DraftCall, questions: list[Question]) -> str:
    grammar = load("grammar")
    what = " and ".join(dict.fromkeys(f"the {q.words}" for q in questions))
    target = questions[0].target if questions else call.target
    if target is not None and target == speech.me:
        mine = what.replace("the ", "my ")
        return speech.pick(grammar["ask_self"]).format(what=mine)
    if target is None and call.rows:
        whose = joined([point(speech, r) for r in dict.fromkeys(call.rows.values())])
        return speech.pick(grammar["ask"]).format(what=what, target=whose)
    if target is None:
        details = _with(speech, call)
        tool = speech.draft.spec.tool(call.tool)
        own = "" if tool.operator is Operator.LOOKUP else f" of the {noun(speech.draft.spec.entity(tool.entity))}"
        return speech.pick(grammar["ask_lookup"]).format(what=what + own) + (f" {details}" if details else "")
    return speech.pick(grammar["ask"]).format(what=what, target=point(speech, target))


def _create(speech: Speech, call: DraftCall, tool: CompiledTool) -> str:
    entity = speech.draft.spec.entity(tool.entity)
    same = next((r for r in call.rows.values() if r.entity == tool.entity), None)
    if same is not None and {"copy", "clone", "duplicate"} & set(words(tool.name)):
        return f"copy {point(speech, same)} {_with(speech, call)}".strip()
    ending = _verb(tool, "") if set(words(tool.name)) & set(load("lexicon")["undoing"]) else ""
    if ending:
        return f"{ending} the {noun(entity)} {_with(speech, call)}".strip()
    make = load("grammar")["make"]
    found = make.get("".join(words(entity.singular)), make["default"])
    head = speech.pick(found).format(noun=noun(entity))
    label = next((f for f in _details(speech, call) if f.column.name == entity.label), None)
    if label is not None:
        joint = "for" if label.column.semantic in _BARE else "called"
        head = f"{head} {joint} {quoted(label.text, label.column)}"
    places = [_place(speech, r) for r in call.rows.values()]
    details = _with(speech, call, but=label)
    if call.target is not None:
        speech.told.append(call.target)
    return " ".join([head, *places, *([details] if details else [])])


def _place(speech: Speech, row: RowName) -> str:
    entity = speech.draft.spec.entity(row.entity)
    inside = set(words(entity.singular)) & set(load("grammar")["containers"])
    return f"{'in' if inside else 'for'} {point(speech, row, last=True)}"


def _details(speech: Speech, call: DraftCall) -> list[Known]:
    """The facts about new values that are said at once; the others are noted as unsaid."""
    facts = [speech.draft.facts[f] for f in call.details.values() if f not in speech.scope]
    own = noun(speech.draft.spec.entity(speech.draft.spec.tool(call.tool).entity))
    unsaid = [f"the {f.words} of the {own}" for f in facts if f.name in speech.hidden]
    speech.unsaid += [u for u in unsaid if u not in speech.unsaid]
    return [f for f in facts if f.name not in speech.hidden]


def _with(speech: Speech, call: DraftCall, but: Known | None = None) -> str:
    facts = [f for f in _details(speech, call) if f is not but]
    tails = load("grammar")["tails"]
    dated = [f for f in facts if f.words in tails and f.text[:1].isdigit() and " on " in tails[f.words]]
    parts = [detail(f) for f in facts if f not in dated]
    times = joined([str(tails[f.words]).format(text=f.text) for f in dated]) if dated else ""
    return " ".join(([times] if times else []) + ([f"with {joined(parts)}"] if parts else []))


def detail(fact: Known) -> str:
    """A new value with its name: `the due date 3 March 2026`."""
    if "reason" in fact.words.split():
        return f'"{fact.text}" as the reason'
    if fact.column.semantic is Semantic.BOOLEAN or fact.words.split()[-1] in load("lexicon")["no_nouns"]:
        return f'"{fact.words}" set to {quoted(fact.text, fact.column)}'
    return f"the {fact.words} {quoted(fact.text, fact.column)}"


def joined(parts: list[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _update(speech: Speech, call: DraftCall) -> str:
    rows = [r for r in call.rows.values() if r != call.target]
    if call.target is not None and call.target == speech.me:
        return _update_self(speech, call)
    if call.target is not None:
        target = point(speech, call.target)
    else:
        own = noun(speech.draft.spec.entity(speech.draft.spec.tool(call.tool).entity))
        target = point(speech, rows.pop(0)) if rows else f"the {own}"
    fact_parts = [_change(f) for f in _details(speech, call)]
    changed = _row_changes(speech, call, rows)
    hidden = [f"the {f.words}" for f in speech.known(tuple(call.details.values())) if f.name in speech.hidden]
    parts = [*fact_parts, *changed]
    moves = "move" in words(call.tool) and not fact_parts and not hidden
    if moves and len(changed) == 1:
        return f"move {target} to {changed[0][1]}"
    if not parts:
        return f"change {joined(hidden)} of {target}" if hidden else f"update {target}"
    if len(parts) == 1 and not hidden:
        change = speech.pick(load("grammar")["change"])
        return str(change).format(what=parts[0][0], target=target, value=parts[0][1])
    extra = f", and change {joined(hidden)} too" if hidden else ""
    return f"update {target}: set {joined([f'{what} to {value}' for what, value in parts])}{extra}"


def _change(fact: Known) -> tuple[str, str]:
    """What changes, and its new value."""
    switch = fact.column.semantic is Semantic.BOOLEAN or fact.words.split()[-1] in load("lexicon")["no_nouns"]
    name = f'"{fact.words}"' if switch else f"the {fact.words}"
    return name, quoted(fact.text, fact.column)


def _update_self(speech: Speech, call: DraftCall) -> str:
    told = [f"my {f.words} to {f.text}" for f in _details(speech, call)]
    hidden = [f"my {f.words}" for f in speech.known(tuple(call.details.values())) if f.name in speech.hidden]
    return f"change {joined([*told, *hidden])}"


def _row_changes(speech: Speech, call: DraftCall, rows: list[RowName]) -> list[tuple[str, str]]:
    """Rows whose reference is what changes; a row that only says where the target is, is no change."""
    changed = {v for c in call.changes for v in (c.after or {}).values()}
    return [(f"the {noun(speech.draft.spec.entity(r.entity))}", point(speech, r)) for r in rows if r.key in changed]


def _verb(tool: CompiledTool, default: str) -> str:
    verbs = load("grammar")["verbs"]
    return next((str(verbs[w]) for w in words(tool.name) if w in verbs), default)


def _own_verb(tool: CompiledTool) -> str:
    """The verb of a tool that the grammar does not know: its first word, its last where the API's name is in front."""
    found = words(tool.name)
    return found[-1] if found[0] in words(tool.tool_id.split("/")[1] if "/" in tool.tool_id else "") else found[0]


def _act(speech: Speech, call: DraftCall, tool: CompiledTool) -> str:
    """Deletions and transitions: a verb and the row."""
    rows = list(call.rows.values())
    target = call.target or (rows[0] if rows else None)
    verb, details = _verb(tool, "delete" if tool.operator is Operator.DELETE else ""), _details(speech, call)
    if not verb and details:
        return _update(speech, call)
    own = noun(speech.draft.spec.entity(tool.entity))
    if target is None and tool.operator is Operator.DELETE and len(speech.draft.rows(tool.entity)) > 1:
        raise Failed(Reason.AMBIGUOUS, f"{tool.name}: nothing is said about which {own} is meant")
    phrase = point(speech, target) if target is not None else f"the {own}"
    if target is not None and target.entity != tool.entity:
        many = nouns(speech.draft.spec.entity(tool.entity)) if tool.operator is Operator.DELETE else own
        phrase = f"the {many} of {phrase}"
    part = _part(speech, call, tool)
    if part:
        phrase = f"the {part} of {phrase}"
    if verb == "delete":
        verb = speech.pick(load("grammar")["delete"])
    if not verb:
        verb, rest = _own_verb(tool), _rest(speech, tool)
        phrase = f"the {rest} of {phrase}" if rest else phrase
    tail = joined([detail(f) for f in details]) if details else ""
    joint = " with" if tool.operator is Operator.DELETE else ", with"
    deed = verb.format(target=phrase) if "{target}" in verb else f"{verb} {phrase}"
    return f"{deed}{f'{joint} {tail}' if tail else ''}"


def _rest(speech: Speech, tool: CompiledTool) -> str:
    """What a tool without a verb of the grammar names beside its entity: `update_cluster_storage_size`."""
    entity, found = speech.draft.spec.entity(tool.entity), words(tool.name)
    if _own_verb(tool) != found[0] or found[0] not in load("grammar")["doing"]:
        return ""
    own = {*words(entity.singular), *words(entity.name)}
    rest = [w for w in found[1:] if w not in own and not w.isdigit()]
    return spelt(" ".join(rest)) if len(rest) <= 3 else ""


def _part(speech: Speech, call: DraftCall, tool: CompiledTool) -> str:
    """The part of its row that a tool takes away by its name: the contact photo of a person who stays."""
    if tool.operator is not Operator.DELETE or any(c.op == "delete" for c in call.changes):
        return ""
    found, verbs = words(tool.name), load("grammar")["verbs"]
    at = next((i for i, word in enumerate(found) if word in verbs), None)
    entity = speech.draft.spec.entity(tool.entity)
    rest = found[at + 1:] if at is not None else []
    own = {*words(entity.singular), *words(entity.name)}
    return " ".join(rest) if rest and rest[-1] not in own else ""


def _relate(speech: Speech, call: DraftCall, tool: CompiledTool) -> str:
    rows = list(dict.fromkeys(call.rows.values()))
    details = _with(speech, call)
    tail = f" {details}" if details else ""
    if len(rows) < 2:
        entity = speech.draft.spec.entity(tool.entity)
        where = f" to {point(speech, rows[0])}" if rows else ""
        return f"add {'an' if noun(entity)[:1].lower() in 'aeiou' else 'a'} {noun(entity)}{where}{tail}"
    return f"add {point(speech, rows[-1])} to {point(speech, rows[0])}{tail}"


def _unrelate(speech: Speech, call: DraftCall) -> str:
    rows = list(dict.fromkeys(call.rows.values()))
    if len(rows) < 2:
        return f"remove {point(speech, rows[0])}" if rows else "remove it"
    return f"remove {point(speech, rows[-1])} from {point(speech, rows[0])}"


def _transfer(speech: Speech, call: DraftCall) -> str:
    rows = list(call.rows.values())
    amount = joined([f"{f.words} {f.text}" for f in _details(speech, call)] or ["some"])
    if len(rows) < 2:
        return f"move {amount} of {point(speech, rows[0])}" if rows else f"move {amount}"
    return f"move {amount} from {point(speech, rows[0])} to {point(speech, rows[1])}"
