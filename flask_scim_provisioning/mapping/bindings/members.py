"""The members of a group: users, and groups inside it where the host has those.

Whatever the group's size, only the rows that a request names are touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from ..errors import Unsettled
from ..host.ids import given_id, may_be_id, moment
from ..host.keys import HostKey, KeyColumns, in_order
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from ..sql.backends import MYSQL, chunks
from .base import Binding, Build, Dump, Keeping, Watched
from .membership import Membership, Moved, key_columns
from .slots import Slot, constant_slot

__all__ = ["MembersBinding", "MembersOfAKind", "NestedGroups"]


class MembersOfAKind:
    """The members of one resource type.

    :ivar store: where the host keeps them.
    :ivar kind: ``"User"`` or ``"Group"``, the ``type`` of each of them.
    :ivar groups: the host's table of groups.

    :param target: the host's table of those who are members.
    :param display: what a member is called.
    """

    def __init__(
        self,
        store: Membership,
        attribute: scim.Attribute,
        groups: HostTable,
        target: HostTable,
        display: Slot,
    ) -> None:
        self.store = store
        self.kind = target.name
        self._attribute = attribute
        self.groups, self._target = groups, target
        self._display = display
        pairs, group, member = store.rows()
        self._pairs = pairs
        self._group, self._member = key_columns(group), key_columns(member)
        self._selects = {shown: self._fetching(shown=shown) for shown in (False, True)}
        self._named = self._naming()
        there = sa.exists().select_from(self._pairs)
        self._any = sa.select(
            there.where(
                self._group.equals("group_key"),
                sa.not_(self._member.is_none()),
                *store.of_row,
                *self._meeting_conditions(),
            )
        )
        self._move = self._moving()
        links = target.links
        self._held = (
            sa.select(*target.key.columns)
            .where(target.key.among("keys"))
            .with_for_update(read=True, key_share=True, skip_locked=True, of=target.model)
        )
        self._locked = self._named.order_by(links.c.id).with_for_update(read=True, of=links)
        self._lock_links = (
            sa.select(links.c.id)
            .where(links.c.id.in_(sa.bindparam("ids", expanding=True)), links.c.deleted.is_(None))
            .order_by(links.c.id)
            .with_for_update(read=True)
        )

    def _fetching(self, *, shown: bool) -> sa.Select[Any]:
        target, links = self._target, self._target.links
        # Those of other tenants, and those whom SCIM doesn't see, are nobody's members here.
        boundaries = target.boundaries()
        display = self._display.expression if shown else sa.null()
        columns = [*self._group.columns, *self._member.columns]
        select = sa.select(*columns, links.c.id, display)
        boundaries += self.store.of_member
        if shown or boundaries:
            # Before version 2.0.22, SQLAlchemy keeps to a host's criteria only on the left side.
            # And what makes a row one of a class it only asks for a class that is selected.
            select = select.add_columns(target.key.columns[0]).select_from(target.model)
            select = select.join(self._pairs, target.key.same(self._member))
        else:
            select = select.select_from(self._pairs)
        return (
            select.outerjoin(links, target.link_key.same(self._member))
            .where(
                self._group.among("keys"),
                links.c.deleted.is_(None),
                *self.store.of_row,
                *boundaries,
            )
            .order_by(*columns)
        )

    def _naming(self) -> sa.Select[Any]:
        target, links = self._target, self._target.links
        mine = sa.and_(
            self._member.same(target.link_key),
            self._group.equals("group_key"),
            *self.store.of_row,
        )
        return (
            sa.select(links.c.id, self._member.columns[0], *target.key.columns)
            .select_from(target.model)
            .join(links, target.key.same(target.link_key))
            .outerjoin(self._pairs, mine)
            .where(
                links.c.id.in_(sa.bindparam("ids", expanding=True)),
                links.c.deleted.is_(None),
                *self.store.of_member,
                *target.boundaries(),
            )
        )

    def fetch(
        self,
        view: Viewpoint,
        keys: Sequence[HostKey],
        found: dict[HostKey, list[dict[str, Any]]],
        dump: Dump,
    ) -> None:
        """Add the members of each of the groups to ``found``, by one statement.

        Members that have no link yet are added to what is missing in ``dump``.
        """
        kind = self.kind
        base = f"{dump.base_url}{self._target.endpoint}/"
        convert = self._display.from_host
        width = self._group.width
        read_group, read_member = self._group.reader(0), self._member.reader(width)
        member_at, display_at = width + self._member.width, width + self._member.width + 1
        last: Any = None
        members: list[dict[str, Any]] = []
        shown = dump.shows_names
        # Where the host may hide rows, it is the members' own table that tells who is there.
        statement = self._selects[shown or view.is_listened_to]
        for row in view.execute(statement, {"keys": list(keys)}):
            member, display = row[member_at], row[display_at] if shown else None
            if member is None:
                dump.miss(kind, read_member(row))
                continue
            group = read_group(row)
            if group != last:
                last = group
                members = found.setdefault(group, [])
            if convert is not None and display is not None:
                display = convert(display)
            members.append(
                {"value": member, "$ref": base + member, "display": display, "type": kind}
                if display is not None
                else {"value": member, "$ref": base + member, "type": kind}
            )

    def named(
        self, view: Viewpoint, group: HostKey, ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, tuple[HostKey, bool]]:
        """Return the host keys of those with these SCIM ids, and whether each is a member.

        One statement for each 5,000 ids; ids that name nobody are not in the answer.

        :param lock: let nobody delete them until the transaction ends.
        """
        found: dict[str, tuple[HostKey, bool]] = {}
        # SQLite has one writer at a time, and no locks of rows.
        statement = self._locked if lock and view.backend == "postgresql" else self._named
        here = self._group.parameters("group_key", group)
        read = self._target.key.reader(2)
        # In one order for everybody, so that those who lock never wait for each other in a circle.
        wanted: Sequence[str] = sorted(each for each in ids if may_be_id(each))
        for part in chunks(wanted):
            if lock and view.backend in MYSQL:
                # The links alone: locks of memberships that aren't there would hold up others. What
                # a lock finds is of now, while a plain read is of the transaction's beginning.
                locked = view.connection.scalars(self._lock_links, {"ids": list(part)})
                part = locked.all()
            if not part:
                continue
            for row in view.execute(statement, {"ids": list(part), **here}):
                found[row[0]] = (read(row), row[1] is not None)
        return {each: found[each] for each in ids if each in found}

    def _meeting_conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what those who are named have to meet, where the statement doesn't read them."""
        conditions = self.store.of_member
        if not conditions:
            return []
        those = sa.select(*self._target.key.columns).where(*conditions)
        return [self._member.inside(those.correlate(None))]

    def has_any(self, view: Viewpoint, group: HostKey) -> bool:
        """Say whether a group has any member."""
        return bool(
            view.execute(self._any, self._group.parameters("group_key", group)).scalar_one()
        )

    def inside(self, group: HostKey) -> tuple[sa.Select[Any], dict[str, Any]]:
        """Return the statement of the keys of a group's members, and what it takes."""
        inside = (
            sa.select(*self._member.columns)
            .select_from(self._pairs)
            .where(self._group.equals("group_key"), *self.store.of_row)
            .where(sa.not_(self._member.is_none()))
            .correlate(None)
        )
        return inside, self._group.parameters("group_key", group)

    def count(self, view: Viewpoint, group: HostKey, at_most: int) -> int:
        """Count the members of a group, and no more than a number of them."""
        some = (
            sa.select(sa.literal(1))
            .select_from(self._pairs)
            .where(self._group.equals("group_key"), *self.store.of_row)
            .limit(at_most)
            .subquery()
        )
        count = sa.select(sa.func.count()).select_from(some)
        found = view.execute(count, self._group.parameters("group_key", group))
        return int(found.scalar_one())

    def move_versions_around(self, view: Viewpoint, resource_id: str) -> int:
        """Give the groups that a member is in a new version, in one statement; return how many.

        :param resource_id: the SCIM id of the member.
        """
        if not may_be_id(resource_id):
            return 0
        given = {"member_id": resource_id.lower(), "now": moment()}
        return view.connection.execute(self._move, given).rowcount

    def _moving(self) -> sa.Update:
        links, own = self.groups.links, self._target.links.alias()
        # MySQL reads no table that it updates, unless what was read has been put aside.
        around = (
            sa.select(*self._group.columns)
            .distinct()
            .select_from(self._pairs)
            .join(own, self._target.link_key_of(own).same(self._member))
            .where(
                own.c.id == sa.bindparam("member_id"),
                *self.store.of_row,
                *self._meeting_conditions(),
            )
            .subquery()
        )
        return (
            sa.update(links)
            .where(self.groups.link_key.inside(sa.select(*around.c)))
            .values(version=links.c.version + 1, last_modified=sa.bindparam("now"))
        )

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search among the members of a group."""
        return self.groups.key.inside(self._matching(self._group, build).correlate(None))

    def matching(self, view: Viewpoint, build: Build, group: HostKey) -> list[HostKey]:
        """Return the keys of the members of a group who meet a condition."""
        statement = self._matching(self._member, build).where(self._group.equals("group_key"))
        read = self._member.reader(0)
        rows = view.execute(statement, self._group.parameters("group_key", group))
        return [read(row) for row in rows]

    def _matching(self, wanted: KeyColumns, build: Build) -> sa.Select[Any]:
        target, links = self._target, self._target.links
        slots: Mapping[str, Slot] = self._slots()
        meeting = (
            sa.select(*target.key.columns)
            .select_from(target.model)
            .join(links, target.key.same(target.link_key))
            .where(
                links.c.deleted.is_(None),
                *self.store.of_member,
                *target.boundaries(),
                build(slots.get),
            )
        )
        return (
            sa.select(*wanted.columns)
            .select_from(self._pairs)
            .where(*self.store.of_row, self._member.inside(meeting.correlate(None)))
        )

    def _slots(self) -> dict[str, Slot]:
        slots: dict[str, Slot] = {}
        for sub in self._attribute.sub_attributes:
            match sub.name:
                case "value":
                    link_id = self._target.links.c.id
                    slots["value"] = Slot(sub, link_id, self.store.place, to_host=given_id)
                case "display":
                    shown = self._display
                    slots["display"] = Slot(sub, shown.expression, shown.place, textual=True)
                case "type":
                    slots["type"] = constant_slot(sub, self.kind)
        return slots

    def watched(self) -> Iterable[Watched]:
        """Return the rows of members, which are a part of their group."""
        found = self.store.watched()
        return () if found is None else (found,)

    def add(self, view: Viewpoint, group: HostKey, keys: Sequence[HostKey]) -> Moved:
        """Make these members, who are none yet; return who was moved here from another group.

        :raises MutabilityError: where members are only shown.
        :raises Unsettled: when the portal is deleting one of them.
        """
        if self.store.writable and view.backend == "postgresql":
            self._hold(view, keys)
        return self.store.add_members(view, group, keys)

    def _hold(self, view: Viewpoint, keys: Sequence[HostKey]) -> None:
        """Let nobody delete the members' rows, without waiting for who is doing so.

        A portal that deletes a row locks it before its link, which is locked here already: each
        would wait for the other, and the portal might be the one who loses.
        """
        for part in chunks(in_order(keys)):
            found = view.execute(self._held, {"keys": list(part)}).all()
            if len(found) < len(part):
                raise Unsettled("The portal is changing a member; send the request again.")

    def remove(self, view: Viewpoint, group: HostKey, keys: Sequence[HostKey]) -> None:
        """End the membership of these.

        :raises MutabilityError: where members are only shown.
        """
        self.store.remove_members(view, group, keys)

    def others(self, view: Viewpoint, group: HostKey, keys: Sequence[HostKey]) -> list[HostKey]:
        """Return the members who aren't among these."""
        return self.store.other_members(view, group, keys)


class NestedGroups(MembersOfAKind):
    """The groups inside a group, which may contain groups in their turn."""

    def __init__(
        self,
        store: Membership,
        attribute: scim.Attribute,
        groups: HostTable,
        display: Slot,
    ) -> None:
        super().__init__(store, attribute, groups, groups, display)
        outer, inner = self._group, self._member
        names = [f"group_key_{number}" for number in range(outer.width)]
        # Both terms select the same columns: PostgreSQL wants one type, to its length.
        above = (
            sa.select(*(each.label(name) for each, name in zip(outer.columns, names, strict=True)))
            .select_from(self._pairs)
            .where(inner.equals("inner_key"), *self.store.of_row)
            .cte("above", recursive=True, nesting=True)
        )
        around = KeyColumns(tuple(above.c[name] for name in names))
        further = (
            sa.select(*outer.columns)
            .select_from(self._pairs)
            .join(above, inner.same(around))
            .where(*self.store.of_row)
        )
        every = above.union(further)
        self._above = sa.select(*(every.c[name] for name in names))
        links, link_key = groups.links, groups.link_key
        self._lock = (
            sa.select(links.c.id)
            .where(link_key.among("keys"))
            .order_by(links.c.id)
            .with_for_update()
        )
        self._look_again = (
            sa.update(links)
            .where(link_key.among("keys"), link_key.inside(self._above))
            .values(version=links.c.version)
        )

    def above(self, view: Viewpoint, group: HostKey) -> set[HostKey]:
        """Return the keys of the groups that contain a group, directly or through others.

        It is one statement, and it ends also where the host itself has made a circle. What SCIM
        doesn't see counts too: the portal would run in a circle all the same.
        """
        read = self._group.reader(0)
        rows = view.connection.execute(self._above, self._member.parameters("inner_key", group))
        return {read(row) for row in rows if row[0] is not None}

    def lock(self, view: Viewpoint, keys: Iterable[HostKey]) -> bool:
        """Keep others from nesting these groups until the transaction ends.

        :returns: whether that was needed: on SQLite one transaction writes at a time.
        """
        if view.backend == "sqlite":
            return False
        for part in chunks(in_order(keys)):
            view.connection.execute(self._lock, {"keys": list(part)})
        return True

    def is_overtaken(
        self, view: Viewpoint, group: HostKey, above: set[HostKey], inner: Iterable[HostKey]
    ) -> bool:
        """Say whether others have nested groups since ``above`` was read, and before the lock.

        :param inner: the keys of the groups that are to be inside.
        """
        if view.backend not in MYSQL:
            return self.above(view, group) != above
        # There a transaction goes on reading what it has read at first. Only what an UPDATE looks
        # at is of now, and so is the number of rows that it finds; it changes none.
        found, keys = 0, list(inner)
        for part in chunks(keys):
            parameters = {"keys": list(part), **self._member.parameters("inner_key", group)}
            found += view.connection.execute(self._look_again, parameters).rowcount
        return found != len(above.intersection(keys))


class MembersBinding(Binding):
    """The members of a group (RFC 7643 section 4.2).

    :ivar kinds: of members, the users first.
    :ivar nested: the groups inside a group, or None where the host doesn't nest them.
    :ivar unknown_members: ``"skip"`` or ``"refuse"``; None leaves it to the dialect.
    """

    keeping = Keeping.APART
    refers = True
    has_elements = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        users: MembersOfAKind,
        nested: NestedGroups | None,
        unknown_members: str | None,
    ) -> None:
        super().__init__(key, attribute)
        self.unknown_members = unknown_members
        self.nested = nested
        self.kinds: tuple[MembersOfAKind, ...] = (users, nested) if nested else (users,)
        self.store = users.store
        self._groups_table = users.groups
        self.place = users.store.place
        if nested is not None:
            self.place = f"{self.place}; groups: {nested.store.place}"

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the members of each of the groups: one statement for each kind, and no entity."""
        found: dict[HostKey, list[dict[str, Any]]] = {key: [] for key in keys}
        for kind in self.kinds:
            kind.fetch(view, keys, found, dump)
        return found

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search among the members of a group, whatever their kind."""
        first, *more = (kind.any(build) for kind in self.kinds)
        return sa.or_(first, *more) if more else first

    def watched(self) -> Iterable[Watched]:
        """Members who come and go change the group."""
        return [each for kind in self.kinds for each in kind.watched()]

    def writable(self) -> bool:
        """Say whether members of one kind at least can be changed."""
        return any(kind.store.writable for kind in self.kinds)

    def leave_others(self, view: Viewpoint, groups: Iterable[HostKey]) -> dict[str, HostKey]:
        """Move the versions of groups that have lost members to another; return them by SCIM id.

        They are locked in the order of their keys; one that had no SCIM id gets one.
        """
        table = self._groups_table
        links = table.links
        wanted = in_order(groups)
        table.make_links(view.connection, wanted)
        key = table.link_key
        touch = (
            sa.update(links)
            .where(key.among("keys"), links.c.deleted.is_(None))
            .values(version=links.c.version + 1, last_modified=moment())
        )
        select = (
            sa.select(links.c.id, *key.columns)
            .where(key.among("keys"), links.c.deleted.is_(None))
            .order_by(links.c.id)
        )
        read = key.reader(1)
        found: dict[str, HostKey] = {}
        for part in chunks(wanted):
            view.connection.execute(touch, {"keys": list(part)})
            rows = view.connection.execute(select, {"keys": list(part)})
            found.update((row[0], read(row)) for row in rows)
        return found

    def leave_all(self, view: Viewpoint, kind: str, key: HostKey) -> None:
        """End every membership of one who is deleted; a group's own members go with it."""
        for members in self.kinds:
            if kind == "Group":
                members.store.remove_all(view, key)
            if members.kind == kind:
                members.store.leave_all(view, key)
