"""Identity providers played over real HTTP; knows only a base URL and a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cycle import Progress
    from .report import Report

__all__ = ["run"]


def run(
    provider: str,
    endpoint: str,
    token: str,
    *,
    users: int = 50,
    groups: int = 5,
    seed: int = 1,
    dialect: str = "both",
    app: str = "both",
    workers: int = 4,
    cleanup: bool = False,
    timeout: float = 60.0,
    progress: Progress | None = None,
    chaos: float = 0.0,
    hostile: bool = False,
    second_token: str | Callable[[], str] | None = None,
) -> Report:
    """Play an identity provider against a SCIM server and verify every answer.

    A run can be repeated: people and groups that are there already are adopted by match.

    :param provider: ``entra`` or ``okta``.
    :param endpoint: the base URL as an administrator pastes it.
    :param token: the bearer token.
    :param users: people of the organisation at the beginning.
    :param groups: groups of the organisation at the beginning; with none, the server need not have
        ``/Groups``.
    :param seed: the same seed gives the same people.
    :param dialect: Entra's PATCH dialect: ``default``, ``flag`` or ``both``. A Tenant URL with
        the flag ``aadOptscim062020`` turns ``default`` into ``flag``.
    :param app: Okta's kind of app: ``wizard``, ``catalogue`` or ``both``.
    :param workers: objects worked on at the same time.
    :param cleanup: whether to delete or deactivate everything of the organisation at the end.
    :param timeout: seconds to wait for one answer.
    :param progress: called with a step's name, what is done and what there is to do.
    :param chaos: the share of connections that is dropped on purpose, 0 to 0.9: before the
        request is sent, while the answer is awaited, or with the answer unread. Turns the hostile
        orders on, and runs the cycle a second time at the end.
    :param hostile: whether to send what arrives in the wrong order too: members and managers
        before they exist, the same creation twice at once, a new token in mid-cycle.
    :param second_token: the token to go on with in mid-cycle, or what issues it then; without it
        the first one stays.
    :raises ValueError: the provider, dialect, app, rate or endpoint is none.
    """
    # Imported here so that importing the package doesn't import requests.
    from .jobs import play

    return play(
        provider,
        endpoint,
        token,
        users=users,
        groups=groups,
        seed=seed,
        dialect=dialect,
        app=app,
        workers=workers,
        cleanup=cleanup,
        timeout=timeout,
        progress=progress,
        chaos=chaos,
        hostile=hostile,
        second_token=second_token,
    )
