"""Members who are only shown: whatever a relationship or a statement says, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...scim.errors import MutabilityError
from ..host.keys import HostKey, KeyColumns
from ..host.viewpoint import Viewpoint
from .base import Watched
from .membership import Membership, Moved, members_but

__all__ = ["ShownMembership"]


class ShownMembership(Membership):
    """Pairs of groups and members as a statement selects them.

    :param pairs: the statement; the columns of the group's key come first.
    :param watched: the rows behind it, as far as they are known.
    """

    writable = False

    def __init__(
        self, pairs: sa.Select[Any], groups: int, members: int, place: str, watched: Watched | None
    ) -> None:
        self._pairs = rows = pairs.subquery()
        columns: tuple[Any, ...] = tuple(rows.c)
        self._group = KeyColumns(columns[:groups])
        self._member = KeyColumns(columns[groups : groups + members])
        self._watched = watched
        self.place = f"{place}, read-only"
        self._all = sa.select(*self._member.columns).where(self._group.equals("group_key"))

    def rows(self) -> tuple[Any, Any, Any]:
        """Return what the statement selects."""
        return self._pairs, self._group, self._member

    def watched(self) -> Watched | None:
        """Return the rows behind it, where they are in one table."""
        return self._watched

    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Refuse to.

        :raises MutabilityError: always.
        """
        raise _refused()

    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """Refuse to.

        :raises MutabilityError: always.
        """
        raise _refused()

    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """Return who is shown beside those."""
        named = self._group.parameters("group_key", group)
        return members_but(view, self._all, named, self._member, members)

    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """Leave them to the portal."""

    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """Leave them to the portal."""


def _refused() -> MutabilityError:
    return MutabilityError(
        "members are read-only in this portal; change them there, and leave them out of the "
        "request."
    )
