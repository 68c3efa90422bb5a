"""The choice of a phase by the domain's title."""

from __future__ import annotations

import pytest

from rayscaler.training import GENERAL, VERTICAL, phase_of


@pytest.mark.parametrize(
    ("title", "verticals", "phase"),
    [
        ("Calendar events", (), GENERAL),
        ("Calendar events", ("calendar*",), VERTICAL),
        ("Calendar events", ("*EVENTS",), VERTICAL),
        ("Calendar events", ("mail*", "order*"), GENERAL),
        ("Calendar events", ("calendar",), GENERAL),
    ],
)
def test_phase_two_is_for_titles_that_a_glob_matches_whole(title, verticals, phase):
    assert phase_of(title, verticals) == phase
