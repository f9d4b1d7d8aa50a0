"""A portal whose database gives a deleted row's key to the next, and checks no foreign keys."""

from __future__ import annotations

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

# models begin
db = SQLAlchemy()

members = db.Table(
    "members",
    db.Column("team_id", db.Integer, db.ForeignKey("team.id"), primary_key=True),
    db.Column("user_id", db.Integer, db.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(150), unique=True, nullable=False)
    title = db.Column(db.String(150))
    active = db.Column(db.Boolean, nullable=False, default=True)


class Team(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(150), unique=True, nullable=False)
    users = db.relationship(User, secondary=members)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    title = fields.Attribute(User.title)
    active = fields.Attribute(User.active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("reused_keys")
    app.config.update(SECRET_KEY="reused keys", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestReusedKeys(ProvisioningContract):
    def test_an_id_is_never_somebody_elses(self, portal: Flask) -> None:
        """RFC 7643 section 3.1: also where the portal deletes and adds rows in its own way."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            user = db.session.scalars(db.select(User)).one()
            key = user.id
            db.session.delete(user)
            db.session.commit()
            db.session.add(User(id=key, username="mallory"))
            db.session.commit()
        assert scim.get(f"/Users/{ada}").status_code == 404
        assert self.found(scim, "/Users", 'externalId eq "contract-user-1"') == []
        (mallory,) = self.found(scim, "/Users", 'userName eq "mallory"')
        read = self.read(scim, f"/Users/{mallory}")
        assert mallory != ada
        assert "externalId" not in read
        assert "displayName" not in read, "what was kept beside the old row is the new one's"

    def test_an_id_is_never_somebody_elses_after_sql(self, portal: Flask) -> None:
        """The same where the portal's sessions haven't seen it."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            key = db.session.scalars(db.select(User.id)).one()
            with db.engine.begin() as connection:
                table = User.__table__
                if db.engine.dialect.name != "sqlite":
                    # These check foreign keys, so that the extension's row goes along.
                    connection.execute(table.delete().where(table.c.id == key))
                else:
                    connection.exec_driver_sql(f"DELETE FROM user WHERE id = {key}")
                row = {"id": key, "username": "mallory", "active": True}
                connection.execute(table.insert().values(row))
        assert scim.get(f"/Users/{ada}").status_code == 404
        (mallory,) = self.found(scim, "/Users", 'userName eq "mallory"')
        assert mallory != ada

    def test_a_new_person_may_get_an_old_key(self, portal: Flask) -> None:
        """Whoever is created next is created, and is nobody else."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        group = self.create_group(scim, 1, [ada])["id"]
        with portal.app_context(), db.engine.begin() as connection:
            connection.execute(members.delete())
            connection.execute(User.__table__.delete())
        bob = self.create_user(scim, 2)
        assert bob["id"] != ada
        assert bob["userName"] == self.new_user(2)["userName"]
        assert scim.get(f"/Users/{ada}").status_code == 404
        assert self.members(scim, group) == []
