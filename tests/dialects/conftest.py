"""What a dialect makes of a request, followed through to the resource that it leads to."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from flask_scim_provisioning.dialects import Dialect
from flask_scim_provisioning.scim.attributes import ResourceType
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type
from flask_scim_provisioning.scim.messages import read_patch_envelope
from flask_scim_provisioning.scim.names import flatten
from flask_scim_provisioning.scim.patch import apply_change, plan
from flask_scim_provisioning.scim.urns import ENTERPRISE_USER

USER = user_resource_type()
GROUP = group_resource_type()
MANAGER = f"{ENTERPRISE_USER}:manager"
DEPARTMENT = f"{ENTERPRISE_USER}:department"


@dataclass
class Spoken:
    """One dialect and one kind of resource."""

    dialect: Dialect
    resource_type: ResourceType

    def patched(
        self, resource: Mapping[str, Any], *operations: Any
    ) -> tuple[dict[str, Any], list[str]]:
        """Apply the operations to a flat resource; return it and the notes."""
        notes: list[str] = []
        changed = copy.deepcopy(dict(resource))
        sent = read_patch_envelope({"Operations": list(operations)})
        clean = self.dialect.operations(sent, self.resource_type, notes)
        planned = plan(
            clean,
            self.resource_type,
            create_missing=self.dialect.create_missing,
            lenient=self.dialect.lenient,
        )
        for change in planned.changes:
            key = change.target.key
            value = apply_change(change, changed.get(key))
            changed[key] = value
        present = {key: value for key, value in changed.items() if value is not None}
        return present, [*notes, *planned.notes]

    def read(self, body: Any) -> tuple[dict[str, Any], list[str]]:
        """Read the body of a POST; return the flat resource without unassigned ones, and notes."""
        notes: list[str] = []
        flat = flatten(self.dialect.resource(body, self.resource_type, notes), self.resource_type)
        return {key: value for key, value in flat.items() if value is not None}, notes


@pytest.fixture
def user(request: pytest.FixtureRequest) -> Spoken:
    """Users in the dialect of the module."""
    return Spoken(request.module.DIALECT, USER)


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Spoken:
    """Groups in the dialect of the module."""
    return Spoken(request.module.DIALECT, GROUP)
