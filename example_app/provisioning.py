"""Provisioning: the whole registration."""

from flask import Flask
from flask_login import current_user

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields

from .api_keys import end_keys_of
from .database import db
from .models import Role, Team, User


class PortalUser(UserSchema):
    """Where each attribute of a SCIM user lives."""

    class Meta:
        model = User
        # The last of them stays, and nobody becomes one by a directory's word alone.
        administrators = User.role.has(Role.is_admin)

        @staticmethod
        def on_deactivate(user: User) -> str:
            """End what the person's programs sign in with."""
            return end_keys_of(user)

    user_name = fields.Attribute(User.username)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    emails = fields.Email(User.email)
    active = fields.Attribute(User.is_active)
    title = fields.Attribute(User.job_title)
    department = fields.Attribute(User.department)
    manager = fields.Reference(User.manager)


class PortalGroup(GroupSchema):
    """Where each attribute of a SCIM group lives."""

    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)


def register(app: Flask) -> None:
    """Add the Provisioning pages and the SCIM service to the portal."""
    provisioning.init_app(app, admin_required=lambda: getattr(current_user, "is_admin", False))
