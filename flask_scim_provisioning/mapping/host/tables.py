"""One table of the host, as its mapper knows it, with the links of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, Session, defer, lazyload
from sqlalchemy.orm.exc import UnmappedColumnError

from ...models import utcnow
from ..errors import MappingError
from ..sql.backends import chunks, insert_unless_there
from .attributes import HostAttribute, attribute_of
from .ids import may_be_id, new_id
from .keys import HostKey, KeyColumns
from .links import key_names, leads_to, link_names, primary_key_of
from .making import Defaults, Factory, Maker
from .viewpoint import Viewpoint

__all__ = ["HostTable"]

T = TypeVar("T")


class HostTable:
    """A model of the host, its links, and the boundaries that every statement keeps.

    Statements are made of the model's attributes, so that its mapper says what rows are its own and
    how its tables are joined; bindings are made of nothing but this.

    :ivar name: of the resource type, ``"User"`` or ``"Group"``.
    :ivar endpoint: of the resource type, such as ``/Users``.
    :ivar key: the primary key of the host's rows, and ``link_key`` the same in a link.
    :ivar tenant: the attribute that says whose row it is.
    :ivar tenant_parameter: the name of the parameter that takes its value; members and groups meet
        in one statement, and each has its own.
    :ivar visible: SQL conditions; a row that doesn't meet them isn't there for SCIM.
    :ivar read_only: whether nothing is written to the host's rows.
    :ivar maker: makes the objects that become new rows.
    """

    def __init__(
        self,
        model: type[Any],
        link: type[Any],
        *,
        owner: str,
        name: str,
        endpoint: str,
        tenant: Any = None,
        tenant_value: Callable[[str], Any] | None = None,
        visible: Sequence[sa.ColumnElement[bool]] = (),
        read_only: bool = False,
        factory: Factory | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        self.owner = owner
        self.name = name
        self.endpoint = endpoint
        self.model = model
        self.mapper: Mapper[Any] = sa.inspect(model)
        self.link = link
        self.links: sa.Table = link.__table__
        self.key_names = key_names(self.mapper)
        self.key = primary_key_of(model)
        # Its tables, and those of the classes above and below.
        line = (*self.mapper.iterate_to_root(), *self.mapper.self_and_descendants)
        self._family = {
            each.local_table for each in line if each.inherits is not None and not each.concrete
        }
        self.link_key = self.link_key_of(self.links)
        self.tenant = None if tenant is None else self.attribute(tenant)
        self.tenant_parameter = f"{name.lower()}_tenant"
        self._tenant_value = tenant_value
        self.visible = tuple(visible)
        self.read_only = read_only
        self.maker = Maker(self.mapper, owner, factory, defaults)
        self._statements: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """What the table is called, for people."""
        return str(getattr(self.mapper.local_table, "name", self.model.__name__))

    def attribute(self, source: Any) -> HostAttribute:
        """Return the attribute of this model that ``User.email`` names.

        :raises MappingError: when it is none.
        """
        try:
            return attribute_of(source, self.mapper)
        except MappingError as error:
            raise MappingError(f"{self.owner}: {error}") from None

    def link_key_of(self, links: sa.FromClause) -> KeyColumns:
        """Return the host's key in a link table, or in an alias of it."""
        return KeyColumns(tuple(links.c[name] for name in link_names(self.key_names)))

    def name_of(self, column: Any) -> str | None:
        """Return the name on the host's objects of a column of their tables.

        In a hierarchy each class's table has the key once more; it is one and the same.
        """
        for name, key in zip(self.key_names, self.mapper.primary_key, strict=True):
            if column is key or (
                column.primary_key and column.table in self._family and leads_to(column, key)
            ):
                return name
        try:
            return self.mapper.get_property_by_column(column).key
        except UnmappedColumnError:
            return None

    def key_of(self, entity: Any) -> HostKey:
        """Return the key of one of the host's objects."""
        values = tuple(getattr(entity, name) for name in self.key_names)
        return values[0] if len(values) == 1 else values

    def load(self, session: Session, key: HostKey) -> Any | None:
        """Return the host's object with a key, or None where its session finds none.

        Whatever a model says of loading its relationships, none is loaded with it: writing needs
        one or two of them, and a group's members may be many. What a model won't load at all, it
        loads here when it is asked for.
        """
        return session.get(self.model, key, options=self.kept("loading", self.loading))

    def nothing(self) -> dict[str, None]:
        """Return the attributes of a new object that are NULL where nobody gives them a value."""
        return {
            prop.key: None
            for prop in self.mapper.column_attrs
            for column in prop.columns[:1]
            if isinstance(column, sa.Column)
            and not column.primary_key
            and column.default is None
            and column.server_default is None
        }

    def loading(self) -> list[Any]:
        """Return how objects are loaded, see ``load``."""
        guarded = [prop for prop in self.mapper.column_attrs if getattr(prop, "raiseload", False)]
        return [
            lazyload("*"),
            *(defer(getattr(self.model, prop.key), raiseload=False) for prop in guarded),
        ]

    def key_of_identity(self, identity: Sequence[Any]) -> HostKey:
        """Return the key of an object from the identity that SQLAlchemy gives it."""
        return identity[0] if len(identity) == 1 else tuple(identity)

    def link_values(self, key: HostKey) -> dict[str, Any]:
        """Return a key as the columns of a link."""
        columns: tuple[Any, ...] = self.link_key.columns
        return {
            column.key: value
            for column, value in zip(columns, self.link_key.values(key), strict=True)
        }

    def linked(self, *columns: Any) -> sa.Select[Any]:
        """Return a select from the host's rows and, where they have one, their link."""
        return (
            sa.select(*columns)
            .select_from(self.model)
            .outerjoin(self.links, self.link_key.same(self.key))
        )

    def known(self, *columns: Any) -> sa.Select[Any]:
        """Return a select from the links and the host's rows that they name.

        PostgreSQL locks no rows on the outer side of a join.
        """
        return (
            sa.select(*columns)
            .select_from(self.links)
            .join(self.model, self.link_key.same(self.key))
        )

    def boundaries(self) -> list[sa.ColumnElement[bool]]:
        """Return what limits every statement: the model, the tenant, what SCIM may see."""
        conditions: list[sa.ColumnElement[bool]] = list(self.visible)
        if self.mapper.inherits is not None and not self.mapper.concrete:
            # Other rows of the same tables aren't this model's: whoever knows no more of a row than
            # its key has to ask, and the mapper adds what makes it one.
            conditions.append(self.key.columns[0].is_not(None))
        if self.tenant is not None:
            conditions.append(
                self.tenant.expression
                == sa.bindparam(self.tenant_parameter, type_=self.tenant.type)
            )
        return conditions

    def seen(self) -> sa.Select[Any] | None:
        """Return the statement of the keys inside the boundaries; None where there are none.

        It stands in a scope of its own, so that it can be asked inside any other statement.
        """
        boundaries = self.boundaries()
        if not boundaries:
            return None
        return sa.select(*self.key.columns).where(*boundaries).correlate(None)

    def tenant_of(self, tenant: str) -> Any:
        """Return the value of the tenant column for the tenant of a URL."""
        if self._tenant_value is not None:
            return self._tenant_value(tenant)
        try:
            return self.tenant.type.python_type(tenant) if self.tenant is not None else tenant
        except (ValueError, NotImplementedError):
            return tenant

    def host_keys(self, view: Viewpoint, ids: Sequence[str]) -> dict[str, HostKey]:
        """Return the host's keys of those SCIM ids that exist here, by lower-case id."""
        statement = self.kept("host_keys", self._host_keys_statement)
        read = self.key.reader(1)
        found: dict[str, HostKey] = {}
        for part in chunks([item.lower() for item in ids if may_be_id(item)]):
            found.update((row[0], read(row)) for row in view.execute(statement, {"ids": part}))
        return found

    def _host_keys_statement(self) -> sa.Select[Any]:
        links = self.links
        return (
            sa.select(links.c.id, *self.key.columns)
            .select_from(self.model)
            .join(links, self.link_key.same(self.key))
            .where(
                links.c.id.in_(sa.bindparam("ids", expanding=True)),
                links.c.deleted.is_(None),
                *self.boundaries(),
            )
        )

    def make_links(self, connection: sa.Connection, keys: Iterable[HostKey]) -> None:
        """Give host rows a link that have none; who made one meanwhile is left alone."""
        now = utcnow()
        rows = [
            {
                "id": new_id(),
                "version": 1,
                "created": now,
                "last_modified": now,
                **self.link_values(key),
            }
            for key in keys
        ]
        if rows:
            columns: Any = self.link_key.columns
            backend = connection.dialect.name
            insert = self.kept(
                f"make links on {backend}",
                lambda: insert_unless_there(self.links, columns, backend),
            )
            connection.execute(insert, rows)

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return a statement that is built once for this table."""
        if name not in self._statements:
            self._statements[name] = make()
        made: T = self._statements[name]
        return made
