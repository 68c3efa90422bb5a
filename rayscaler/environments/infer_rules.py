"""Rules of the world that descriptions state in words: which states a row must be in, and which it must not.

    «Only pending orders can be cancelled.»                          must be pending
    «An index can only be deleted if it is in a READY or ERROR state.»  must be ready or error
    «If the order is already processed, it cannot be cancelled.»      must not be processed
    «Exchange items in a delivered order.»                           must be delivered

A sentence counts if it speaks of the tool's own act («can only be deleted», not «can only be listed») and of the
table's own noun. Rules on who calls, on other services and on moments in time are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from rayscaler.environments.lexicon import Phrase, lexicon, plural, verb_of
from rayscaler.environments.operators import Reading, participle

_QUOTE = r"[`'\"*‘’“”]*"
_DETERMINER = r"(?:(?:an?|the|either|any|one of|following|currently|already|still|in|of)\s+)*"
_SENTENCE = re.compile(r"(?<!i\.e\.)(?<!e\.g\.)(?<=[.!?;])\s+|\n+|[()]")
_MARKUP = re.compile(r"<[^>]{1,80}>")


@cache
def rule_words(section: str) -> tuple[str, ...]:
    """The entries of a list of `rules.yaml`."""
    return tuple(str(word) for word in _rule_lexicon()[section])


@cache
def _rule_lexicon() -> dict[str, Any]:
    text = files("rayscaler.environments").joinpath("rules.yaml").read_text(encoding="utf-8")
    loaded = yaml.safe_load(text)
    assert isinstance(loaded, dict)
    return loaded


@cache
def rule_pattern(section: str) -> re.Pattern[str]:
    """The alternatives of a list of `rules.yaml`, as one pattern."""
    return re.compile("|".join(rule_words(section)), re.I)


_ACT = re.compile(
    r"\b(?:can|cannot|can['’]t|can not|may|may not|must|could)(?: only)?(?: not)? be (?:only )?(?P<passive>\w+)"
    r"(?P<purpose> (?:for|to|by|as|with)\b)?"
    r"|\b(?:you|user|users|agent|agents|caller) (?:can|cannot|can['’]t|may)(?: only)?(?: not)? (?P<active>\w+)",
    re.I,
)


class ToldStates(NamedTuple):
    """States that a row must be in (any of them), and states that it must not be in; as the text spells them."""

    wanted: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()


def sentences(text: str) -> list[str]:
    """The sentences of a description, without markup."""
    return [" ".join(s.split()) for s in _SENTENCE.split(_MARKUP.sub(" ", text)) if s.strip()]


def told_states(reading: Reading, table: Phrase, known: Iterable[str] = ()) -> ToldStates:
    """What a tool's description says of the states of the row that it works on.

    known: words for the states that the table's columns enumerate, besides the usual ones.
    """
    finder = _finder(tuple(sorted({*rule_words("states"), *(k.lower() for k in known)}, key=lambda w: (-len(w), w))))
    thing = re.compile(rf"\b(?:{_noun_pattern(table)})\b", re.I)
    wanted: list[str] = []
    barred: list[str] = []
    for i, sentence in enumerate(sentences(reading.tool.description)[:40]):
        ruling = rule_pattern("forbid").search(sentence) or rule_pattern("require").search(sentence)
        if (i == 0 or ruling) and finder.word.search(sentence) and not rule_pattern("no_rule").search(sentence):
            for word, refused in _of_sentence(finder, reading, thing.sub("§", sentence), first=i == 0):
                (barred if refused else wanted).append(word)
    result = {reading.status, participle(reading.word)}
    wanted = [w for w in dict.fromkeys(wanted) if w not in result]
    return ToldStates(tuple(wanted), tuple(w for w in dict.fromkeys(barred) if w not in (*wanted, *result)))


class _Finder:
    """Finds state words that are said of a table's rows, in sentences where § stands for these."""

    def __init__(self, vocabulary: tuple[str, ...]) -> None:
        words = "|".join("[ _-]".join(map(re.escape, w.split())) for w in vocabulary)
        one = rf"{_QUOTE}(?:{words}){_QUOTE}"
        joint = r"\s*(?:,|/|\bor\b|\band\b|\bnor\b)(?:\s*(?:or|and)\b)?\s*"
        run = rf"(?P<run>{one}(?:{joint}{_DETERMINER}{one})*)(?![\w-])"
        no = r"(?P<neg> not| no longer)?"
        said = (
            rf"\b(?:be|is|are|been|was|isn['’]t|aren['’]t){no}\s+{_DETERMINER}{run}",
            rf"\b(?:in|with|has|have|having|reached){no}\s+{_DETERMINER}{run}\s+(?:state|status|stage)",
            rf"\b(?:state|status|stage)(?:es|s)?\s*(?:is|are|of|=|==|:|must be|to be)?{no}\s*{_DETERMINER}{run}",
        )
        self.word = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I)
        self.adjective = re.compile(rf"(?P<neg>\bnot |\bnon-)?(?<!\w){run}\s+§", re.I)
        self.one_of = re.compile(rf"\b(?:an?|any)\s+(?<![\w-]){run}\s+§", re.I)
        self.said = [re.compile(pattern, re.I) for pattern in said]

    def words(self, run: str) -> list[str]:
        """The single states of a run («draft or failed»)."""
        return [re.sub(r"[\s_-]+", " ", m.group(0).lower()) for m in self.word.finditer(run)]


_finder = lru_cache(maxsize=512)(_Finder)
_THING = re.compile(r"^.*(?:§|\b(?:it|they|its|their|which|that)\b)(?P<between>[^§,;]{0,40})$", re.I)
"""The table's noun, or a word for it, shortly before a verb."""


@cache
def _noun_pattern(table: Phrase) -> str:
    """The table's noun in singular and plural, whole or by its last word."""
    forms = [table, (*table[:-1], *plural(table[-1]).split()), table[-1:], tuple(plural(table[-1]).split())]
    return "|".join(dict.fromkeys("[ _-]?".join(map(re.escape, form)) for form in forms))


def _of_sentence(finder: _Finder, reading: Reading, sentence: str, *, first: bool) -> list[tuple[str, bool]]:
    """(state, whether it is refused) for each state that a sentence makes a rule of."""
    forbid, require = rule_pattern("forbid").search(sentence), rule_pattern("require").search(sentence)
    unless = re.search(r"\bunless\b", sentence, re.I)
    if forbid and unless:
        forbid, require = None, unless
    elif forbid and require:
        forbid, require = (forbid, None) if forbid.start() < require.start() else (None, require)
    if forbid is None and require is None:
        return [(w, False) for m in finder.one_of.finditer(sentence) for w in finder.words(m["run"])] if first else []
    if not _own_act(reading, sentence):
        return []
    start = require.start() if require is not None else 0
    return [
        (word, (forbid is not None) != negated)
        for match, negated in _matches(finder, sentence)
        if match.start("run") >= start
        for word in finder.words(match["run"])
    ]


def _matches(finder: _Finder, sentence: str) -> list[tuple[re.Match[str], bool]]:
    """Runs of states said of the table's rows, and whether «not» stands before them."""
    found = [(m, bool(m["neg"])) for m in finder.adjective.finditer(sentence)]
    for match in (m for pattern in finder.said for m in pattern.finditer(sentence)):
        before = _THING.search(sentence[: match.start()])
        apart = before is None or re.search(r"\b(?:if|when|whether|while)\b", before["between"], re.I)
        if not apart and not _AN_ACT.search(sentence[: match.start("run")]):
            found.append((match, bool(match["neg"]) or "n't" in match.group(0)[:7]))
    return found


_AN_ACT = re.compile(r"(?:can ?not|can['’]t|may not|can only|may only|can|need(?:s|ed)? to|ha(?:s|ve) to) be\s+$", re.I)
"""«it cannot be cancelled»: what is done, not how the row is."""


def _own_act(reading: Reading, sentence: str) -> bool:
    """Whether a sentence with «can only be …», «you cannot …» speaks of what this tool does."""
    acts = [m for m in _ACT.finditer(sentence) if (m["passive"] or "").lower() not in _NO_ACTS]
    if not acts:
        return True
    same: Sequence[str] = [reading.word, *lexicon()["verbs"].get(reading.verb, ())]
    done = {participle(w) for w in same if w}
    for act in acts:
        passive, active = (act["passive"] or "").lower(), (act["active"] or "").lower()
        any_act = passive in rule_words("any_action") and not act["purpose"]
        if passive in done or any_act or active in (*same, "use", "call", "perform"):
            return True
        if active and reading.verb and verb_of(active) == reading.verb:
            return True
    return False


_NO_ACTS = frozenset({*rule_words("states"), "in", "a", "an", "the", "of"})
"""Words after «must be» that say how something is, not what is done to it."""


def told_unique(description: str) -> bool:
    """Whether an argument's description asks for a value that no other row has, in the whole world."""
    said = " ".join(description.split())
    return bool(rule_pattern("unique").search(said)) and not rule_pattern("unique_inside").search(said)
