"""Both sides of a conversation without a model: an agent that knows gold, and a user that knows its task.

They exist so that everything after them can be built, tested and measured before a model is there: the agent's
conversations are right to the byte, or wrong in one known way. Each object plays one conversation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numpy.random import Generator

from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.rollouts import phrases
from rayscaler.rollouts.chat import Reply, Sampling
from rayscaler.rollouts.naming import name_of_call, name_of_row, new_value
from rayscaler.rollouts.script import PlannedCall, Script, at_path, depends_on, resolve, selecting_facts
from rayscaler.task import Answer, Fact, GoldCall, Intent, Task

PATIENCE = 5
"""Messages without any use that the scripted user takes before it leaves."""

Wording = Callable[[EnvironmentSpec, CompiledTool, Iterable[str], str, str], str]


class ScriptedUser:
    """Says its opening, tells facts when asked by name, confirms, and stops when the agent is done or gives up."""

    def __init__(self, intent: Intent, rng: Generator) -> None:
        self._intent = intent
        self._voice = phrases.Voice("user", rng)
        self._told = {fact.name for fact in intent.facts if fact.said}
        self._waited = -1

    async def reply(
        self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling  # noqa: ARG002
    ) -> Reply:
        """The next words of the user, given the conversation from its side."""
        if self._waited < 0:
            self._waited = 0
            return _words("user", self._intent.opening)
        return _words("user", self._answer(messages[-1].content))

    def _answer(self, heard: str) -> str:
        if phrases.hears("close", heard):
            return self._leave("thanks")
        if phrases.hears("confirm", heard):
            return self._say("agree")
        asked = self._asked(heard)
        if asked:
            return self._tell(asked)
        if phrases.hears("give_up", heard):
            return self._leave("disappointed")
        self._waited += 1
        if self._waited >= PATIENCE:
            return self._leave("impatient")
        return self._say("unknown" if "?" in heard else "waiting")

    def _asked(self, heard: str) -> list[Fact]:
        if "?" not in heard and "need" not in heard.lower():
            return []
        labels = phrases.mentioned([phrases.label(fact.name) for fact in self._intent.facts], heard)
        return [self._next_called(label) for label in labels]

    def _next_called(self, label: str) -> Fact:
        """Of the facts with one label (two dates, two quantities) the first that was not told yet, else the last."""
        facts = [fact for fact in self._intent.facts if phrases.label(fact.name) == label]
        return next((fact for fact in facts if fact.name not in self._told), facts[-1])

    def _tell(self, facts: list[Fact]) -> str:
        self._told.update(fact.name for fact in facts)
        if len(facts) == 1:
            fact = facts[0]
            long = len(fact.text) > 60 or "\n" in fact.text
            return self._say("tell_long" if long else "tell_one", label=phrases.label(fact.name), text=fact.text)
        pairs = [self._say("pair", label=phrases.label(fact.name), text=fact.text) for fact in facts]
        return phrases.capital(self._say("tell_many", pairs=phrases.enumerate_words(pairs)))

    def _leave(self, kind: str) -> str:
        return f"{self._say(kind)} {STOP}"

    def _say(self, kind: str, **values: str) -> str:
        return self._voice.say(kind, **values)


class ScriptedAgent:
    """Plays a script: asks for what the user has not said, makes the calls, reports in words.

    Values that come from earlier outputs are read from the live answers. Calls go out one by one, except that reads
    which do not feed each other may share a message.
    """

    def __init__(
        self, task: Task, spec: EnvironmentSpec, script: Script, rng: Generator, *, terse: bool = False
    ) -> None:
        """terse: never asks for a confirmation, says nothing beside a call, makes one call per message."""
        self._task = task
        self._spec = spec
        self._script = script
        self._voice = phrases.Voice("agent", rng)
        habits = [rng.random() < share and not terse for share in (0.3, 0.5, 0.5)]
        self._asks_ahead, self._confirms, self._shares = habits
        self._terse = terse
        self._told = {fact.name for fact in task.intent.facts if fact.said}
        self._selecting = {name for names in selecting_facts(task).values() for name in names}
        self._answers: dict[int, Any] = {}
        self._made: dict[str, PlannedCall] = {}
        self._n_read = 0
        self._turns = self._play()

    async def reply(
        self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling  # noqa: ARG002
    ) -> Reply:
        """The next message of the agent: words or tool calls."""
        for message in messages[self._n_read:]:
            if message.role == "tool":
                self._learn(message)
        self._n_read = len(messages)
        return Reply(next(self._turns))

    def _learn(self, message: Message) -> None:
        call, value = self._made[message.tool_call_id], json.loads(message.content)
        failed = isinstance(value, dict) and isinstance(value.get("error"), dict) and "kind" in value["error"]
        if call.gold is not None and not failed:
            self._answers[call.gold] = value

    def _play(self) -> Iterator[Message]:
        """The agent's messages in order. Between two of them `_learn` has seen what the environment answered."""
        confirms = self._confirms
        batches = self._batches()
        for number, batch in enumerate(batches):
            ahead = [call for later in batches[number:] for call in later] if self._asks_ahead else batch
            while self._missing(batch):
                yield self._ask(self._missing(ahead))
            if confirms and batch[0].writes:
                confirms = False
                yield self._confirm([call for later in batches[number:] for call in later])
            yield self._call(batch)
        yield from self._end()

    def _batches(self) -> list[list[PlannedCall]]:
        """The calls, message by message."""
        batches: list[list[PlannedCall]] = []
        for call in self._script.calls:
            if self._shares and batches and self._may_join(call, batches[-1]):
                batches[-1].append(call)
            else:
                batches.append([call])
        return batches

    def _may_join(self, call: PlannedCall, batch: list[PlannedCall]) -> bool:
        calls = [*batch, call]
        if any(c.writes or c.gold is None or c.retry for c in calls):
            return False
        return not depends_on(call, [c.gold for c in batch if c.gold is not None]) and not self._missing([call])

    def _missing(self, calls: Sequence[PlannedCall]) -> list[str]:
        needed = dict.fromkeys(name for call in calls for name in call.facts)
        return [name for name in needed if name not in self._told]

    def _ask(self, names: list[str]) -> Message:
        """Ask for the facts `names`; of two with one label (two dates) for one at a time."""
        by_label = {phrases.label(name): name for name in reversed(names)}
        names = [name for name in names if by_label[phrases.label(name)] == name]
        self._told.update(names)
        labels = [phrases.label(name) for name in names]
        several = phrases.enumerate_words([f"the {text}" for text in labels])
        if self._selecting.issuperset(names):
            return self._words(self._say("ask_which", labels=several))
        if len(labels) == 1:
            return self._words(self._say("ask_one", label=labels[0]))
        return self._words(self._say("ask_many", labels=several))

    def _confirm(self, calls: Sequence[PlannedCall]) -> Message:
        """Say what is about to happen. A faulty call is meant as gold's."""
        meant = [call if call.gold is None else self._task.gold[call.gold] for call in calls if call.writes]
        actions = self._in_words(phrases.action, meant)
        return self._words(self._say("confirm", actions=phrases.enumerate_words(actions)))

    def _call(self, batch: Sequence[PlannedCall]) -> Message:
        calls = []
        for planned in batch:
            call = ToolCall(id=f"call_{len(self._made)}", name=planned.tool, arguments=resolve(planned, self._answers))
            self._made[call.id] = planned
            calls.append(call)
        kind = "after_error" if batch[0].retry else "before_write" if batch[0].writes else "before_read"
        words = "" if self._terse else self._say(kind)
        return Message(role="assistant", content=words, tool_calls=tuple(calls))

    def _end(self) -> Iterator[Message]:
        if self._script.ending == "loop":
            line = self._words(self._say("loop"))
            while True:
                yield line
        if self._script.ending == "give_up":
            yield self._words(self._say("give_up"))
        while True:
            yield self._words(self._report())

    def _report(self) -> str:
        """What was done and found. An agent that left something out reports it all the same: it does not know."""
        deeds = self._in_words(phrases.deed, [call for call in self._task.gold if call.writes])
        parts = [self._say("done", deeds=phrases.enumerate_words(deeds))] if deeds else []
        if self._task.answers:
            parts += [] if deeds else [self._say("done_reading")]
            parts.append(self._tell(self._task.answers))
        elif not deeds:
            parts.append(self._say("nothing_to_tell"))
        return " ".join(part for part in [*parts, self._say("close")] if part).strip()

    def _in_words(self, wording: Wording, calls: Sequence[GoldCall | PlannedCall]) -> list[str]:
        """What `calls` do, without repeats."""
        said = []
        heard = {fact.name: fact for fact in self._task.intent.facts if fact.name in self._told}
        for call in calls:
            tool = self._spec.tool(call.tool)
            name = name_of_call(self._spec, call, self._answers, heard)
            said.append(wording(self._spec, tool, call.arguments, name, new_value(call, tool, heard)))
        return list(dict.fromkeys(said))

    def _tell(self, answers: Sequence[Answer]) -> str:
        """A few short answers as one sentence, many or long ones as a list."""
        said, rows = [], []
        for number, answer in enumerate(answers):
            whose = "" if (answer.call, answer.path[:-1]) in rows else self._whose(answer)
            rows.append((answer.call, answer.path[:-1]))
            said.append((f"{self._noun(answer)}{whose}", self._value(number, answer)))
        if len(said) > 3 or any(len(text) > 60 or "\n" in text for _, text in said):
            return "\n" + "\n".join(f"- {noun}: {text}" for noun, text in said) + "\n"
        clauses = []
        for noun, text in said:
            plural = phrases.is_plural(noun.partition(" of the ")[0])
            clauses.append(self._say("answer_plural" if plural else "answer", noun=noun, text=text))
        return phrases.enumerate_words([clauses[0], *(c[0].lower() + c[1:] for c in clauses[1:])]) + "."

    def _noun(self, answer: Answer) -> str:
        keys = [step for step in answer.path if isinstance(step, str)]
        return phrases.said_label(keys[-1]) if keys else "answer"

    def _whose(self, answer: Answer) -> str:
        """` of the device "Front desk"`: the row that an answer is about, where the answer to its call names it."""
        tool = self._spec.tool(self._task.gold[answer.call].tool)
        row = at_path(self._answers.get(answer.call), answer.path[:-1])
        name = name_of_row(self._spec, tool, row)
        named = answer.path[-1:] == (self._spec.entity(tool.entity).label,)
        return f" of the {phrases.noun(self._spec, tool)} {name}" if name and not named else ""

    def _value(self, number: int, answer: Answer) -> str:
        """The answer's text if the live answer is gold's, else the live value itself; or what is planted instead."""
        if self._script.misreport is not None and self._script.misreport[0] == number:
            return self._script.misreport[1]
        live = at_path(self._answers.get(answer.call), answer.path)
        return answer.text if live is None or live == answer.value else str(live)

    def _words(self, content: str) -> Message:
        return Message(role="assistant", content=content)

    def _say(self, kind: str, **values: str) -> str:
        return self._voice.say(kind, **values)


def _words(role: str, content: str) -> Reply:
    return Reply(Message(role="user" if role == "user" else "assistant", content=content))
