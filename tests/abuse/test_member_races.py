"""People are deleted, by SCIM or by the portal, while processes add them to groups."""

from __future__ import annotations

import pytest

from .member_races import SHAPES, play

ROUNDS = 4


@pytest.mark.parametrize("shape", SHAPES)
def test_nobody_is_added_who_is_gone_and_nobody_lost_who_is_there(
    database: str, shape: str
) -> None:
    """Every answer is one of an order in which the requests could have come one by one."""
    outcome = play(database, shape, ROUNDS)
    assert outcome.lost == []
    assert outcome.failed == 0, outcome.statuses
