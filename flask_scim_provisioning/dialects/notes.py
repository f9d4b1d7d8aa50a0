"""Notes: what leniency changed, in a sentence for the activity log; never with personal data."""

from collections.abc import MutableSequence

Notes = MutableSequence[str]
"""The notes of one request, in the order in which things were met."""


MOST_NOTES = 100
"""How many notes a request leaves: nobody reads more, and a client can make any number."""


def leave(notes: Notes, sentence: str) -> None:
    """Add a note, once: a thousand members with the same habit make one sentence."""
    if len(notes) < MOST_NOTES and sentence not in notes:
        notes.append(sentence)
