"""What one integration may do to people: chosen by an administrator, one row of a table for each.

Forms, commands and the documentation are made of the same table, so that a policy that is declared
here can be chosen everywhere, and one that isn't can't be chosen anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from .errors import IntegrationInvalid

__all__ = ["POLICIES", "Choice", "Flag", "Number", "Policies", "Policy"]


@dataclass(frozen=True, slots=True)
class Flag:
    """A policy that is on or off."""

    title: str
    explains: str

    def read(self, value: Any) -> bool:
        """Return what was chosen.

        :raises ValueError: with the sentence to show, when it is neither.
        """
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
        if found is None:
            raise ValueError("Say yes or no.")
        return found


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy that is one of several.

    :ivar options: what each is called, by its value.
    """

    title: str
    explains: str
    options: Mapping[str, str]

    def read(self, value: Any) -> str:
        """Return what was chosen.

        :raises ValueError: with the sentence to show, when it isn't one of them.
        """
        if value not in self.options:
            raise ValueError(f"Choose one of these: {', '.join(self.options)}.")
        return str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """A policy that is a whole number, or nothing.

    :ivar unit: what is counted.
    """

    title: str
    explains: str
    unit: str
    least: int
    most: int

    def read(self, value: Any) -> int | None:
        """Return what was chosen; None for nothing.

        :raises ValueError: with the sentence to show, when it is none, or out of its bounds.
        """
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        number = int(text) if text.isdecimal() and len(text) < 12 else None
        if number is None or not self.least <= number <= self.most:
            raise ValueError(f"Enter a whole number of {self.unit}, {self.least} to {self.most}.")
        return number


Policy: TypeAlias = Flag | Choice | Number


def _policy(default: Any, policy: Policy) -> Any:
    return field(default=default, metadata={"policy": policy})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of one integration."""

    may_grant_administrators: bool = _policy(
        False,
        Flag(
            "May make administrators",
            "Lets this directory put people into groups, and give them roles, that make "
            "administrators of them. Without it, it is refused.",
        ),
    )
    leavers: str = _policy(
        "portal",
        Choice(
            "What becomes of the account of a leaver",
            "When this directory deactivates or deletes somebody. In each case nobody can sign in "
            "any more. To delete accounts, the integration's role needs the permission USERS: "
            "delete.",
            MappingProxyType(
                {
                    "portal": "what this portal's team has set",
                    "deactivate": "it is deactivated and stays",
                    "unlink": "it is deactivated, stays, and this directory forgets it",
                    "delete": "it is deleted",
                }
            ),
        ),
    )
    leavers_days: int | None = _policy(
        None,
        Number(
            "Grace period",
            "The account is deactivated at once, and forgotten or deleted so much later, by "
            "“flask scim due”. Empty for at once. Who comes back in time has everything again.",
            "days",
            1,
            3650,
        ),
    )
    leavers_groups: str = _policy(
        "portal",
        Choice(
            "What becomes of the memberships of a leaver",
            "Whoever keeps them has them again on coming back.",
            MappingProxyType(
                {
                    "portal": "they stay when somebody is deactivated, and end on deletion",
                    "keep": "they stay, as long as the account does",
                    "leave": "they end",
                }
            ),
        ),
    )
    brake_percent: int | None = _policy(
        50,
        Number(
            "Brake: hold what is more than",
            "Of the people whom this directory knows, deactivated or deleted within an hour. An "
            "administrator then releases or rejects it. Empty for no such limit.",
            "percent",
            1,
            100,
        ),
    )
    brake_least: int | None = _policy(
        100,
        Number(
            "Brake: never hold up to",
            "However large a part of the people or of the group they are.",
            "people",
            0,
            1_000_000,
        ),
    )
    brake_groups: bool = _policy(
        False,
        Flag(
            "Brake: hold the removal of a group's members too",
            "By the same numbers, for each group by itself. Directories that send whole groups "
            "remove many at once when a group is reorganised.",
        ),
    )
    brake_most: int | None = _policy(
        None,
        Number(
            "Brake: hold always what is more than",
            "However small a part they are. Empty for no such limit.",
            "people",
            1,
            1_000_000,
        ),
    )
    taking_over: str = _policy(
        "portal",
        Choice(
            "Existing people",
            "What happens when this directory meets somebody whom the portal had before. Protected "
            "people, those who are met twice and those whose address isn't verified always wait in "
            "the inbox, unless nobody is taken over.",
            MappingProxyType(
                {
                    "portal": "as the portal is set up",
                    "link": "take them over, and write the directory's profile",
                    "keep": "take them over, and keep the portal's profile at first",
                    "ask": "ask an administrator, in the inbox",
                    "refuse": "take nobody over",
                }
            ),
        ),
    )
    match_people_by: str = _policy(
        "userName",
        Choice(
            "Existing people are met by",
            "Beside the user name, which always counts. An e-mail address proves only as much as "
            "the portal has verified it.",
            MappingProxyType(
                {
                    "userName": "the user name",
                    "userName+emails": "the user name or an e-mail address",
                    "userName+externalId": "the user name or the external id",
                    "userName+externalId+emails": (
                        "the user name, the external id or an e-mail address"
                    ),
                }
            ),
        ),
    )
    may_rewrite_sign_in_email: bool = _policy(
        False,
        Flag(
            "May change the e-mail address that people sign in with",
            "When it takes somebody over whom the portal had before. Without it, their address "
            "stays as it is then.",
        ),
    )

    may_reenable: str = _policy(
        "known",
        Choice(
            "People whom the portal has deactivated itself",
            "Says whether this directory may activate people whom the portal has deactivated, and "
            "not a directory.",
            MappingProxyType(
                {
                    "never": "stay inactive, whatever it says",
                    "known": "are activated when it says so, if they were active when it got them",
                    "always": "are activated when it says so",
                }
            ),
        ),
    )

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Policies:
        """Return the policies that are kept with an integration.

        What isn't understood is left as it is by default: another release has stored it.
        """
        kept: dict[str, Any] = {}
        for name, value in (document or {}).items():
            if name in POLICIES:
                try:
                    kept[name] = POLICIES[name].read(value)
                except ValueError:
                    continue
        return cls(**kept)

    @classmethod
    def chosen(cls, values: Mapping[str, Any]) -> Policies:
        """Return the policies that somebody has chosen, by name.

        :raises IntegrationInvalid: when a value can't be used; its ``field`` says which.
        """
        kept: dict[str, Any] = {}
        for name, value in values.items():
            if name not in POLICIES:
                raise IntegrationInvalid(
                    name, f"There is no policy {name}; there are: {', '.join(POLICIES)}."
                )
            try:
                kept[name] = POLICIES[name].read(value)
            except ValueError as error:
                raise IntegrationInvalid(name, f"{POLICIES[name].title}: {error}") from None
        return cls(**kept)

    def document(self) -> dict[str, Any]:
        """Return the policies that differ from the default, to be kept."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != each.default
        }

    def values(self) -> dict[str, Any]:
        """Return every policy by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {each.name: each.metadata["policy"] for each in fields(Policies)}
)
"""Every policy by its name."""
