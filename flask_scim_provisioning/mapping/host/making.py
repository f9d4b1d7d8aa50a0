"""New objects of the host's model: made as its class says, or as the team does."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import LoaderCallableStatus, Mapper, RelationshipProperty, Session
from sqlalchemy.orm.exc import UnmappedColumnError
from sqlalchemy.sql import visitors

from ..errors import MappingError
from .attributes import label_of

__all__ = ["Defaults", "Factory", "Maker", "columns_in", "dataclass_defaults", "names_in"]

Factory: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""A team's own way to make an object, given what the identity provider has sent."""

Defaults: TypeAlias = Mapping[Any, Any]
"""By attribute, such as ``User.role_id``: its value in new rows, or a function that gives it."""


class Maker:
    """Makes the objects that become new rows.

    A class that can be called without arguments is, so that what its ``__init__`` does counts.
    One that can't be is made the way in which SQLAlchemy makes the objects that it loads; defaults
    of dataclass fields are set then, too.

    :ivar fills: the columns that the team's defaults give a value.
    """

    def __init__(
        self,
        mapper: Mapper[Any],
        owner: str,
        factory: Factory | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        self._mapper = mapper
        self._owner = owner
        self._factory = factory
        self._calls = _needs_no_arguments(mapper.class_)
        self._defaults = {
            self._name(source): value for source, value in dict(defaults or {}).items()
        }
        self.fills: frozenset[sa.Column[Any]] = frozenset(
            column for source in dict(defaults or {}) for column in _columns_behind(source)
        )
        if factory is not None and not callable(factory):
            raise MappingError(
                f"{owner}: Meta.factory is {factory!r}; set it to a function that is given the "
                f"values of a new resource and returns a new {mapper.class_.__name__}."
            )

    def _name(self, source: Any) -> str:
        """Return the attribute of the model that a team has given a default.

        :raises MappingError: when it is none.
        """
        owner, key = getattr(source, "parent", None), getattr(source, "key", None)
        if not isinstance(owner, Mapper) or not self._mapper.isa(owner) or key is None:
            name = self._mapper.class_.__name__
            raise MappingError(
                f"{self._owner}: Meta.defaults names {label_of(source)}, which is no attribute of "
                f"{name}; write Meta.defaults = {{{name}.<attribute>: <value or function>}}."
            )
        found = self._mapper.synonyms.get(key)
        return str(key if found is None else found.name)

    @property
    def knows_best(self) -> bool:
        """Whether the team's factory makes objects, so that nobody else knows what they have."""
        return self._factory is not None

    def sets(self, name: str) -> bool:
        """Say whether the class's own ``__init__`` sets an attribute of each new object."""
        return self._calls and name in _names_in_init(self._mapper.class_)

    def make(self, values: Mapping[str, Any], session: Session) -> Any:
        """Return a new object that is in no session yet.

        :param values: of the new resource, by flat key.
        :raises MappingError: when the team's class or factory makes none.
        """
        with session.no_autoflush:
            entity = self._made(values)
            for name, value in self._defaults.items():
                if sa.inspect(entity).dict.get(name) is None:
                    setattr(entity, name, value() if callable(value) else value)
        return entity

    def _made(self, values: Mapping[str, Any]) -> Any:
        model = self._mapper.class_
        if self._factory is not None:
            return self._checked(self._factory(_told(values)))
        if not self._calls:
            return self._as_loaded()
        try:
            return model()
        except (TypeError, LookupError) as error:
            raise MappingError(
                f"{self._owner}: {model.__name__}() can't be called without arguments; add "
                "Meta.factory, a function that is given the values of a new resource and returns a "
                f"new {model.__name__}."
            ) from error

    def _checked(self, entity: Any) -> Any:
        """Take only what is new: an existing row would be given to somebody else."""
        model = self._mapper.class_
        state: Any = sa.inspect(entity, raiseerr=False)
        if not isinstance(entity, model) or not (state.transient or state.pending):
            raise MappingError(
                f"{self._owner}: Meta.factory returned {type(entity).__name__}, not a new "
                f"{model.__name__}; let it return one that it has neither flushed nor committed."
            )
        if state.session is not None:
            state.session.expunge(entity)
        return entity

    def _as_loaded(self) -> Any:
        entity = self._mapper.class_manager.new_instance()
        for name, value in dataclass_defaults(self._mapper):
            setattr(entity, name, value)
        return entity


def columns_in(expressions: Iterable[Any]) -> Iterator[sa.Column[Any]]:
    """Return the columns that SQL expressions read, inside subqueries too."""
    for expression in expressions:
        for part in visitors.iterate(expression):
            if isinstance(part, sa.Column):
                yield part


def names_in(mapper: Mapper[Any], expressions: Iterable[Any]) -> Iterator[str]:
    """Return the attributes of a mapper that SQL expressions read, inside subqueries too."""
    for column in columns_in(expressions):
        try:
            yield mapper.get_property_by_column(column).key
        except UnmappedColumnError:
            continue  # of another table: a role that is looked up, the link


def _columns_behind(source: Any) -> Iterator[sa.Column[Any]]:
    prop = getattr(source, "property", None)
    if isinstance(prop, RelationshipProperty):
        yield from prop.local_columns  # type: ignore[misc]
    else:
        yield from columns_in([source.expression])


def _needs_no_arguments(model: type[Any]) -> bool:
    try:
        inspect.signature(model.__init__).bind(None)
    except TypeError:
        return False
    return True


def _names_in_init(model: type[Any]) -> set[str]:
    """Return the attributes that the ``__init__`` of a class and of its bases name."""
    names: set[str] = set()
    for each in model.__mro__:
        function = vars(each).get("__init__")
        function = getattr(function, "_sa_original_init", function)
        names.update(getattr(getattr(function, "__code__", None), "co_names", ()))
    return names


def dataclass_defaults(mapper: Mapper[Any]) -> Iterator[tuple[str, Any]]:
    """Return what the constructor of a dataclass would set; collections are empty without it."""
    if not dataclasses.is_dataclass(mapper.class_):
        return
    for field in dataclasses.fields(mapper.class_):
        if field.name in mapper.relationships:
            continue
        value: Any = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        if value is None or value is dataclasses.MISSING:
            continue
        if not isinstance(value, LoaderCallableStatus):  # there the column has the default
            yield field.name, value


def _told(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values by the names of attributes, parts of complex ones by ``name.givenName`` too."""
    told: dict[str, Any] = {}
    for key, value in values.items():
        told[key] = value
        name = key.rsplit(":", 1)[-1]
        told.setdefault(name, value)
        if isinstance(value, Mapping):
            told.update({f"{name}.{sub}": part for sub, part in value.items()})
    return MappingProxyType(told)
