"""Two processes that each take one of the last two administrators away: one always stays."""

from __future__ import annotations

from .administrator_races import WAYS, play


def test_one_administrator_always_stays(database: str) -> None:
    """Each pair of ways, twice; ``python -m tests.abuse.administrator_races`` plays more."""
    pairs = len(WAYS) * (len(WAYS) + 1) // 2
    statuses, lost = play(database, 2 * pairs)
    assert lost == []
    assert statuses["409"] + statuses["503"] == 2 * pairs, statuses
    assert set(statuses) <= {"200", "204", "409", "503"}, statuses
