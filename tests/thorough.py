"""How much is left to chance: some of it in each run, and more where there is time for it.

With ``SCIM_TEST_THOROUGH`` in its environment, a run takes more seeds and more examples, and does
on each database what is done on one otherwise.
"""

from __future__ import annotations

import os

__all__ = ["THOROUGH", "examples"]

THOROUGH = "SCIM_TEST_THOROUGH" in os.environ


def examples(most: int) -> int:
    """Return how many examples Hypothesis tries of those that a thorough run has."""
    return most if THOROUGH else most // 5
