"""The routes, as a table: path, methods, and what the activity log calls a request that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ..services.activity import Action
from . import views
from .responses import ScimResponse

__all__ = ["ROUTES", "Call", "Endpoint", "Route", "find"]

View = Callable[..., ScimResponse]

_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Call:
    """What one method of a route does.

    :ivar action: What the activity log calls it.
    :ivar reads_body: Whether it needs the request's body.
    :ivar limit: The setting that says how large the body may be.
    """

    view: View
    action: Action = Action.REQUEST
    reads_body: bool = False
    limit: str = "SCIM_MAX_BODY_BYTES"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint below the base URL.

    :ivar path: Its segments; ``*`` stands for one that is handed to the view.
    :ivar calls: By HTTP method; ``HEAD`` is answered by ``GET``.
    :ivar resources: The key of the mapping that its views take, if they take one.
    """

    path: tuple[str, ...]
    calls: Mapping[str, Call]
    resources: str | None = None

    @property
    def methods(self) -> set[str]:
        """The methods for the header ``Allow``."""
        return {*self.calls, "OPTIONS"} | ({"HEAD"} if "GET" in self.calls else set())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route with the segment that stood for ``*``, if it has one."""

    route: Route
    name: str | None = None


def _resources(endpoint: str, kind: str) -> Iterator[Route]:
    """Yield the routes of one resource type (RFC 7644 section 3.2)."""
    action = partial(_action, kind)
    yield Route(
        (endpoint,),
        {
            "GET": Call(views.search, action("searched")),
            "POST": Call(views.create, action("created"), reads_body=True),
        },
        endpoint,
    )
    yield Route(
        (endpoint, ".search"),
        {"POST": Call(views.search_by_post, action("searched"), reads_body=True)},
        endpoint,
    )
    yield Route(
        (endpoint, "*"),
        {
            "GET": Call(views.read, action("read")),
            "PUT": Call(views.replace, action("replaced"), reads_body=True),
            "PATCH": Call(views.modify, action("updated"), reads_body=True),
            "DELETE": Call(views.delete, action("deleted")),
        },
        endpoint,
    )


def _action(kind: str, what: str) -> Action:
    return Action(f"{kind}.{what}")


def _get(view: View) -> dict[str, Call]:
    return {"GET": Call(view)}


ROUTES: tuple[Route, ...] = (
    *_resources("Users", "user"),
    *_resources("Groups", "group"),
    Route((), _get(views.search_everything)),
    Route((".search",), {"POST": Call(views.search_everything_by_post, reads_body=True)}),
    Route(("ServiceProviderConfig",), _get(views.service_provider_config)),
    Route(("ResourceTypes",), _get(views.resource_types)),
    Route(("ResourceTypes", "*"), _get(views.resource_type)),
    Route(("Schemas",), _get(views.schemas)),
    Route(("Schemas", "*"), _get(views.schema)),
    Route(("Me",), dict.fromkeys(_ANY, Call(views.me))),
    Route(("Bulk",), {"POST": Call(views.bulk, reads_body=True, limit="SCIM_BULK_MAX_PAYLOAD")}),
)

_BY_PATH = {route.path: route for route in ROUTES}


def find(path: str) -> Endpoint | None:
    """Return the endpoint of a path below the base URL; slashes too many don't matter.

    Entra's tenant URL may end in a slash, and then it asks for ``//Users`` or ``/Users/?filter=``;
    an identity provider doesn't follow a redirect to the right place.
    """
    segments = tuple(segment for segment in path.split("/") if segment)
    route = _BY_PATH.get(segments)
    if route is not None and "*" not in segments:
        return Endpoint(route)
    route = _BY_PATH.get((*segments[:-1], "*")) if segments else None
    return None if route is None else Endpoint(route, segments[-1])
