"""`bench.py repetition RUN`: which sound conversations the n-gram filter calls loops, and how many loops it finds.

Sound conversations, over which its false positives are counted: the runs of a strong model that reached their goal
(tau-bench's recorded gpt-4o trajectories), the conversations that tau-bench shows as examples, and those in RUN in
which the scripted agent made no mistake. Loops, of which it should find all: three kinds planted into the real
conversations (the agent's longest message sent six times; its last sentence of eight words or more said six times in
one message; a phrase of four words said forty times), and the scripted agent's own `loops` in RUN.

`plain` is the same count without what the filter adds: an n-gram that occurs more than `max_repeats` times is a loop,
whatever stands around it and whoever said it first.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks.measure import markdown
from rayscaler.filters.recorded import read_played
from rayscaler.filters.repetition import repeated_words
from rayscaler.recipes import FilterRecipe
from rayscaler.runs import Run, open_run
from rayscaler.tables import TRAJECTORIES

NGRAMS, REPEATS = (4, 6, 8, 10, 15, 20), (2, 3, 4, 5)
GPT4O = "historical_trajectories/gpt-4o-airline.json.gz"
TIMES = 6


class Conversation(NamedTuple):
    """What the agent said, and what it may quote: the user's words and the tools' answers."""

    spoken: list[str]
    quoted: list[str]


Judge = Callable[[Conversation, int, int], bool]


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run with trajectories of the scripted agent.")],
    bench: Annotated[Path, typer.Option(help="The folder of tau-bench.")] = Path("../shared/data/bench/tau-bench"),
    quick: Annotated[bool, typer.Option(help="The default n and threshold alone.")] = False,
) -> None:
    """False positives and catches of the repetition filter over n and threshold."""
    recipe, opened = FilterRecipe(), open_run(run)
    sound = {"gpt-4o, goal reached": list(gpt4o(bench)), "tau-bench's examples": list(examples(bench)),
             "scripted, no mistake": list(scripted(opened, ""))}
    real = [*sound["gpt-4o, goal reached"], *sound["tau-bench's examples"]]
    loops = {name: [made for one in real if (made := plant(one))] for name, plant in LOOPS.items()}
    loops["scripted `loops`"] = list(scripted(opened, "loops"))
    head = ["n", "more than", *(f"{name} ({len(found)})" for name, found in sound.items()), "the same, plain",
            *(f"{name} ({len(found)})" for name, found in loops.items())]
    ngrams, repeats = ((recipe.ngram,), (recipe.max_repeats,)) if quick else (NGRAMS, REPEATS)
    rows = []
    for n in ngrams:
        for most in repeats:
            plainly = [one for found in sound.values() for one in found]
            rows.append([f"{n}", f"{most}", *(share(found, n, most, ours) for found in sound.values()),
                         share(plainly, n, most, plain), *(share(found, n, most, ours) for found in loops.values())])
    typer.echo(markdown(head, rows))
    typer.echo(f"\nA conversation of 40 messages of 65 words: {1000 * long_s(recipe.ngram, recipe.max_repeats):.2f} ms")


def long_s(n: int, most: int) -> float:
    """CPU seconds that a long conversation takes, in which many words are said often and none in a loop."""
    spoken = [f"Message {i} tells about order {i * 7} in {i * 3 % 11} words and more " * 5 for i in range(40)]
    began = time.process_time()
    for _ in range(20):
        repeated_words(spoken, [], n=n, max_repeats=most)
    return (time.process_time() - began) / 20


def share(found: list[Conversation], n: int, most: int, judge: Judge) -> str:
    """The share of conversations that are called a loop."""
    return f"{sum(judge(one, n, most) for one in found) / len(found):.1%}" if found else ""


def ours(one: Conversation, n: int, most: int) -> bool:
    """The filter's verdict."""
    return bool(repeated_words(one.spoken, one.quoted, n=n, max_repeats=most))


def plain(one: Conversation, n: int, most: int) -> bool:
    """Whether any n-gram of the agent's words occurs more than `most` times."""
    texts = [re.findall(r"\w+", text.lower()) for text in one.spoken]
    counts = Counter(tuple(words[i:i + n]) for words in texts for i in range(len(words) - n + 1))
    return max(counts.values(), default=0) > most


def gpt4o(bench: Path) -> Iterator[Conversation]:
    """The recorded runs of gpt-4o that reached their goal."""
    for row in json.loads(gzip.decompress((bench / GPT4O).read_bytes())):
        if row["reward"] == 1:
            words = [(m["role"], m["content"] or "") for m in row["traj"]]
            yield Conversation([t for role, t in words if role == "assistant"],
                               [t for role, t in words if role in ("user", "tool")])


def examples(bench: Path) -> Iterator[Conversation]:
    """The conversations that tau-bench gives a model as examples: lines that start with who speaks."""
    for path in sorted((bench / "few_shot_data").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turns = re.split(r"^(user|assistant|tool): ", json.loads(line)["messages_display"], flags=re.MULTILINE)
            pairs = list(zip(turns[1::2], turns[2::2], strict=True))
            spoken = [text for role, text in pairs if role == "assistant" and text.strip() != "None"]
            yield Conversation(spoken, [text for role, text in pairs if role != "assistant"])


def scripted(run: Run, planted: str) -> Iterator[Conversation]:
    """The conversations of RUN with one planted mistake, or none."""
    table = run.table(TRAJECTORIES.name)
    for mistake, text in zip(table["planted"].to_pylist(), table["trajectory"].to_pylist(), strict=True):
        if mistake == planted:
            messages = read_played(text).messages
            yield Conversation([m.content for m in messages if m.role == "assistant"],
                               [m.content for m in messages if m.role in ("user", "tool")])


def same_message(one: Conversation) -> Conversation | None:
    """The longest message of at most forty words, sent again and again."""
    short = [text for text in one.spoken if 8 <= len(text.split()) <= 40]
    return one._replace(spoken=[*one.spoken, *[max(short, key=len)] * (TIMES - 1)]) if short else None


def same_sentence(one: Conversation) -> Conversation | None:
    """The last sentence of eight words or more, said again and again in one message."""
    sentences = [s for text in one.spoken for s in re.split(r"(?<=[.?!])\s+", text) if len(s.split()) >= 8]
    return one._replace(spoken=[*one.spoken, " ".join([sentences[-1]] * TIMES)]) if sentences else None


def same_phrase(one: Conversation) -> Conversation | None:
    """Four words, forty times."""
    words = next((text.split()[:4] for text in one.spoken if len(text.split()) >= 4), None)
    return one._replace(spoken=[*one.spoken, " ".join(words * 40)]) if words else None


LOOPS: dict[str, Callable[[Conversation], Conversation | None]] = {
    "a message": same_message, "a sentence": same_sentence, "a phrase": same_phrase,
}
"""Ways to plant a loop."""
