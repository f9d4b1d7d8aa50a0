"""What an entry of the activity log says: who did what to whom, in the tense in which it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..services.activity import Action, ActivityEntry
from ..services.names import Names

__all__ = ["headline", "sentence"]

_DONE: Mapping[str, str] = {
    Action.USER_CREATED: "Created {}",
    Action.USER_UPDATED: "Changed {}",
    Action.USER_REPLACED: "Changed {}",
    Action.USER_DEACTIVATED: "Deactivated {}",
    Action.USER_REACTIVATED: "Reactivated {}",
    Action.USER_DELETED: "Deleted {}",
    Action.USER_READ: "Read {}",
    Action.USER_SEARCHED: "Searched people",
    Action.GROUP_CREATED: "Created the group {}",
    Action.GROUP_UPDATED: "Changed the group {}",
    Action.GROUP_REPLACED: "Changed the group {}",
    Action.GROUP_DELETED: "Deleted the group {}",
    Action.GROUP_READ: "Read the group {}",
    Action.GROUP_SEARCHED: "Searched groups",
    Action.MEMBERS_CHANGED: "Changed the members of {}",
    Action.REQUEST: "Answered a request",
    Action.INTEGRATION_CREATED: "Integration created",
    Action.INTEGRATION_EDITED: "Settings edited",
    Action.INTEGRATION_PAUSED: "Integration paused",
    Action.INTEGRATION_REMOVED: "Integration removed",
    Action.ATTENTION_DISMISSED: "Marked as looked into",
    Action.HELD_RELEASED: "Released what the brake held",
    Action.HELD_REJECTED: "Rejected what the brake held",
    Action.PEOPLE_LET_GO: "Let the people go whom it knew",
    Action.INTEGRATION_ENABLED: "Integration enabled",
    Action.INTEGRATION_DISABLED: "Integration disabled",
    Action.TOKEN_ROTATED: "Token rotated",
    Action.TOKEN_REVOKED: "Token revoked",
    Action.USER_ADOPTED: "Took over {}",
    Action.CONFLICT_DECIDED: "Decided about {}",
    Action.CONFLICTS_DECIDED: "Decided about existing people",
    Action.ROLE_CHANGED: "Permissions of its role changed",
}

_REFUSED: Mapping[str, str] = {
    Action.USER_CREATED: "create {}",
    Action.USER_UPDATED: "change {}",
    Action.USER_REPLACED: "change {}",
    Action.USER_DEACTIVATED: "deactivate {}",
    Action.USER_REACTIVATED: "reactivate {}",
    Action.USER_DELETED: "delete {}",
    Action.USER_READ: "read {}",
    Action.USER_SEARCHED: "search people",
    Action.GROUP_CREATED: "create the group {}",
    Action.GROUP_UPDATED: "change the group {}",
    Action.GROUP_REPLACED: "change the group {}",
    Action.GROUP_DELETED: "delete the group {}",
    Action.GROUP_READ: "read the group {}",
    Action.GROUP_SEARCHED: "search groups",
    Action.MEMBERS_CHANGED: "change the members of {}",
    Action.REQUEST: "answer a request",
}

_SOMEBODY: Mapping[str, str] = {"user": "a person", "group": "without a name"}

# Where two actions are told in the same words.
_TITLES: Mapping[str, str] = {
    Action.USER_REPLACED: "Replaced {}",
    Action.GROUP_CREATED: "Created a group",
    Action.GROUP_UPDATED: "Changed a group",
    Action.GROUP_REPLACED: "Replaced a group",
    Action.GROUP_DELETED: "Deleted a group",
    Action.GROUP_READ: "Read a group",
    Action.MEMBERS_CHANGED: "Changed members",
}


def headline(action: str) -> str:
    """Return what an action is called in a filter; its own name where it has no other."""
    text = _TITLES.get(action) or _DONE.get(action)
    if text is None:
        return action
    return text.format("a person")


def sentence(entry: ActivityEntry, names: Names) -> str:
    """Return what happened: "Couldn't create ada@example.com", "Added to Finance: Ada, Bob".

    :param names: Of the members whom the entry names by the portal's keys.
    """
    kind = entry.action.partition(".")[0]
    subject = entry.resource_name or entry.resource_id or _SOMEBODY.get(kind, "")
    if entry.outcome != "ok":
        attempt = _REFUSED.get(entry.action, "do this")
        return f"Couldn't {attempt.format(subject)}"
    changes = entry.changes or {}
    attributes = [_plain(name) for name in changes.get("attributes", ())]
    members = _members(changes, names)
    if changes.get("taken_over"):
        return _taken_over(subject, changes, attributes)
    match entry.action:
        case Action.USER_DELETED if changes.get("kept"):
            return f"Deactivated {subject}, whom the identity provider deleted"
        case Action.USER_DEACTIVATED | Action.USER_REACTIVATED:
            more = [name for name in attributes if name != "active"]
            text = _DONE[entry.action].format(subject)
            return f"{text}, and changed {_listed(more)}" if more else text
        case Action.MEMBERS_CHANGED if members:
            (way, who), *rest = members
            text = f"{way} {subject}: {who}"
            return "; ".join([text, *(f"{way.lower()} it: {who}" for way, who in rest)])
        case (
            Action.USER_UPDATED
            | Action.USER_REPLACED
            | Action.GROUP_UPDATED
            | Action.GROUP_REPLACED
        ) if attributes:
            group = "the group " if kind == "group" else ""
            text = f"Changed {_listed(attributes)} of {group}{subject}"
        case _:
            text = _DONE.get(entry.action, entry.action).format(subject)
    if members:
        text = "; ".join([text, *(f"{way.lower()} it: {who}" for way, who in members)])
    return text


def _taken_over(subject: str, changes: Mapping[str, Any], attributes: Sequence[str]) -> str:
    """Return that somebody was taken over whom the portal had before."""
    text = f"Took over {subject}, whom the portal had before"
    if changes["taken_over"] == "keep":
        return f"{text}, and kept the portal's profile"
    return f"{text}, and changed {_listed(attributes)}" if attributes else text


def _plain(key: str) -> str:
    """Return an attribute without its URN, as people know it."""
    return key.rpartition(":")[2]


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _members(changes: Mapping[str, Any], names: Names) -> list[tuple[str, str]]:
    found = []
    for way, title in (("added", "Added to"), ("removed", "Removed from")):
        people = [names.get(str(key)) for key in changes.get(way, ())]
        people += [names.get(f"g{key}") for key in changes.get(f"groups_{way}", ())]
        known = [name for name in people if name]
        total = changes.get(f"{way}_count", 0) + changes.get(f"groups_{way}_count", 0)
        if not total:
            continue
        unnamed = total - len(known)
        if not known:
            who = "1 member" if total == 1 else f"{total} members"
        else:
            who = _listed(known) + (f" and {unnamed} more" if unnamed > 0 else "")
        found.append((title, who))
    return found
