"""Verdicts on links inside a domain: does a value of one tool's answer feed a parameter of another (paper 2.1)?

Asked once per tool, about the links into it of which the rules are not sure. A verdict cannot be proved here; it is
bounded instead: every link is judged once, links that the specification itself declares are not asked about, and a
required parameter keeps a link. What a wrong verdict costs is attempts: a task is certified by running it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import Field

from rayscaler.refinement.problems import Kind, Problem, same_names, text_problems
from rayscaler.refinement.step import Answer, Question, Step
from rayscaler.toolspec import ToolSpec

MAX_LINKS = 24
"""Links of one question, those of the highest scores; the others stay as the rules have them."""

MAX_WHY = 200


class Link(Protocol):
    """A link that the rules consider."""

    @property
    def src(self) -> ToolSpec:
        """Whose answer holds the value."""

    @property
    def field(self) -> str:
        """Where in the answer; empty for the whole of it."""

    @property
    def dst(self) -> ToolSpec:
        """The tool that takes it."""

    @property
    def parameter(self) -> str:
        """The parameter that takes it."""


class Verdict(Answer):
    """The verdict on one link."""

    number: int
    feeds: bool = Field(description="Whether the value is what the parameter wants.")
    why: str = Field(description="In a few words.")


class Verdicts(Answer):
    """One verdict per link."""

    verdicts: list[Verdict]


JUDGE_LINKS = Step("judge_links", Verdicts)


def verdicts_question(
    domain_id: str, links: Sequence[Link], needed: Sequence[set[int]], before: str
) -> Question[Verdicts]:
    """Ask about `links`, all into one tool, numbered from 1.

    needed: sets of numbers of which one at least must feed, since nothing else feeds a required parameter.
    """
    dst = links[0].dst
    data = {
        "tool": {"name": dst.name, "description": dst.description[:400]},
        "links": [_shown(number, link) for number, link in enumerate(links, 1)],
    }

    def problems(answer: Verdicts) -> list[Problem]:
        found = same_names("link", [v.number for v in answer.verdicts], range(1, len(links) + 1))
        for verdict in answer.verdicts:
            found += text_problems(f"why of {verdict.number}", verdict.why, longest=MAX_WHY)
        feeding = {v.number for v in answer.verdicts if v.feeds}
        found += [Problem(Kind.LOSES, f"the parameter of links {sorted(some)} is required, and none of them feeds it")
                  for some in needed if not some & feeding]
        return found

    return Question(JUDGE_LINKS, f"{domain_id}/{dst.tool_id}", data, before, problems)


def _shown(number: int, link: Link) -> dict[str, Any]:
    wanted = link.dst.parameters.get("properties", {}).get(link.parameter.split(".")[0].split("[")[0], {})
    return {"number": number, "parameter": link.parameter, "about": str(wanted.get("description", ""))[:200],
            "from": link.src.name, "description": link.src.description[:200], "field": link.field or "the whole answer"}
