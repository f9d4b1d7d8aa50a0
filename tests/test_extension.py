"""Registering: one object, any number of apps, and mistakes that say their cure."""

from __future__ import annotations

import logging
import uuid
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, relationship

import flask_scim_provisioning
from flask_scim_provisioning import GroupSchema, Provisioning, SettingsError, UserSchema, fields
from flask_scim_provisioning.services.integrations import create_integration
from flask_scim_provisioning.state import EXTENSION, current_provisioning


def host_models(db: SQLAlchemy, bind: str | None = None) -> SimpleNamespace:
    """The smallest portal there is."""
    bound = {"__bind_key__": bind} if bind else {}
    membership = db.Table(
        "membership",
        sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
        sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        **({"bind_key": bind} if bind else {}),
    )
    person = type(
        "Person",
        (db.Model,),
        {
            "__tablename__": "person",
            "id": sa.Column(sa.Integer, primary_key=True),
            "login": sa.Column(sa.String(100), unique=True, nullable=False),
            "is_active": sa.Column(sa.Boolean, nullable=False, default=True),
            **bound,
        },
    )
    team = type(
        "Team",
        (db.Model,),
        {
            "__tablename__": "team",
            "id": sa.Column(sa.Integer, primary_key=True),
            "name": sa.Column(sa.String(100), unique=True, nullable=False),
            "people": relationship("Person", secondary=membership),
            **bound,
        },
    )

    class PersonSchema(UserSchema):
        class Meta:
            model = person

        user_name = fields.Attribute(person.login)
        active = fields.Attribute(person.is_active)

    class TeamSchema(GroupSchema):
        class Meta:
            model = team

        display_name = fields.Attribute(team.name)
        members = fields.Members(team.people)

    return SimpleNamespace(user_schema=PersonSchema, group_schema=TeamSchema)


def new_db() -> SQLAlchemy:
    class Base(DeclarativeBase):
        pass

    return SQLAlchemy(model_class=Base)


@pytest.fixture
def db() -> SQLAlchemy:
    return new_db()


@pytest.fixture
def provisioning(db: SQLAlchemy) -> Provisioning:
    return Provisioning(db, **vars(host_models(db)))


def make_app(db: SQLAlchemy, name: str = "portal", **config: object) -> Flask:
    app = Flask(name)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://", **config)
    db.init_app(app)
    return app


def test_one_object_serves_two_apps_with_different_configurations(db, provisioning) -> None:
    first = make_app(db, "first", SCIM_MAX_RESULTS=300)
    second = make_app(db, "second", SCIM_URL_PREFIX="/scim", SCIM_CONSOLE_PREFIX="/sync")
    before = dict(vars(provisioning))
    provisioning.init_app(first, admin_required=lambda: True)
    for schema in (provisioning.user_schema, provisioning.group_schema):
        schema.opts.shared_by_tenants = True
    provisioning.init_app(second, admin_required=lambda: False, tenant=lambda: "acme")
    assert vars(provisioning) == before
    with first.app_context():
        assert current_provisioning.settings["SCIM_MAX_RESULTS"] == 300
        assert current_provisioning.tenant() == "main"
        assert current_provisioning.admin_required is not None
        assert current_provisioning.admin_required()
    with second.app_context():
        assert current_provisioning.settings["SCIM_MAX_RESULTS"] == 200
        assert current_provisioning.tenant() == "acme"
        assert current_provisioning.endpoint_url("acme", "7").endswith(
            "/scim/acme/integrations/7/scim/v2"
        )
    rules = [{str(rule) for rule in app.url_map.iter_rules()} for app in (first, second)]
    assert any(rule.startswith("/provisioning") for rule in rules[0])
    assert any(rule.startswith("/sync") for rule in rules[1])
    assert not any(rule.startswith("/provisioning") for rule in rules[1])


def test_an_app_is_registered_once(db, provisioning) -> None:
    app = make_app(db)
    provisioning.init_app(app, admin_required=lambda: True)
    with pytest.raises(RuntimeError, match="call init_app once"):
        provisioning.init_app(app, admin_required=lambda: True)


def test_a_failed_registration_leaves_nothing_behind(db, provisioning) -> None:
    app = make_app(db, SCIM_MAX_RESULT=1)
    with pytest.raises(SettingsError, match="SCIM_MAX_RESULTS"):
        provisioning.init_app(app)
    assert EXTENSION not in app.extensions
    assert app.blueprints == {}


def test_a_database_has_one_provisioning(db, provisioning) -> None:
    with pytest.raises(RuntimeError, match="one Provisioning for each SQLAlchemy object"):
        Provisioning(
            db, user_schema=provisioning.user_schema, group_schema=provisioning.group_schema
        )


def test_an_app_without_registration_says_how() -> None:
    with Flask("bare").app_context(), pytest.raises(RuntimeError, match="init_app"):
        current_provisioning.settings  # noqa: B018 - reading it is the test


def test_without_admin_required_the_developer_is_told(db, provisioning, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        provisioning.init_app(make_app(db))
    assert "admin_required=lambda: current_user.is_admin" in caplog.text


def test_with_admin_required_there_is_nothing_to_tell(db, provisioning, caplog) -> None:
    options = provisioning.user_schema.opts
    options.administrators = options.model.login == "root"
    with caplog.at_level(logging.WARNING):
        provisioning.init_app(make_app(db), admin_required=lambda: True)
    assert caplog.text == ""


def test_users_and_groups_of_two_binds_are_refused(db) -> None:
    people, teams = host_models(db, bind="people"), host_models(new_db())
    with pytest.raises(RuntimeError, match="one transaction can't span two databases"):
        Provisioning(db, user_schema=people.user_schema, group_schema=teams.group_schema)


def test_a_schema_without_model_is_refused(db) -> None:
    class Unfinished(UserSchema):
        pass

    models = host_models(db)
    with pytest.raises(RuntimeError, match="Unfinished has no model"):
        Provisioning(db, user_schema=Unfinished, group_schema=models.group_schema)


def test_migrations_see_every_table(db, provisioning) -> None:
    """Flask-Migrate compares ``db.metadata`` with the database."""
    own = {name for name in db.metadata.tables if name.startswith("scim_")}
    assert own == {
        "scim_integration",
        "scim_service_account",
        "scim_role",
        "scim_binding",
        "scim_access_token",
        "scim_external_id",
        "scim_activity",
        "scim_refusal",
        "scim_conflict",
        "scim_offboarding",
        "scim_brake",
        "scim_user_link",
        "scim_group_link",
    }


def test_create_all_makes_every_table(db, provisioning) -> None:
    app = make_app(db)
    provisioning.init_app(app, admin_required=lambda: True)
    with app.app_context():
        db.create_all()
        state = current_provisioning
        created = create_integration(state.session, state.models, tenant="main", name="Contoso")
        assert created.integration.enabled
        assert set(state.mappings) == {"Users", "Groups"}


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"SERVER_NAME": "portal.example.com"}, "http://portal.example.com"),
        (
            {
                "SERVER_NAME": "portal.example.com",
                "PREFERRED_URL_SCHEME": "https",
                "APPLICATION_ROOT": "/app",
            },
            "https://portal.example.com/app",
        ),
        ({"SCIM_EXTERNAL_URL": "https://idp.example.com/"}, "https://idp.example.com"),
    ],
)
def test_the_root_without_a_request(db, provisioning, config, root) -> None:
    app = make_app(db, **config)
    provisioning.init_app(app, admin_required=lambda: True)
    integration_id = uuid.uuid4()
    with app.app_context():
        assert current_provisioning.root_url() == root
        assert current_provisioning.endpoint_url("main", integration_id) == (
            f"{root}/api/v1/main/integrations/{integration_id}/scim/v2"
        )


def test_the_root_is_that_of_each_request(db, provisioning) -> None:
    app = make_app(db)
    provisioning.init_app(app, admin_required=lambda: True)
    roots = []
    for host in ("one.example.com", "two.example.com"):
        with app.test_request_context("/", base_url=f"https://{host}/app"):
            roots.append(current_provisioning.root_url())
    assert roots == ["https://one.example.com/app", "https://two.example.com/app"]


def test_the_external_url_wins_over_the_request(db, provisioning) -> None:
    app = make_app(db, SCIM_EXTERNAL_URL="https://idp.example.com")
    provisioning.init_app(app, admin_required=lambda: True)
    with app.test_request_context("/", base_url="http://10.0.0.7:8000"):
        assert current_provisioning.root_url() == "https://idp.example.com"


def test_every_public_name_is_there() -> None:
    public = flask_scim_provisioning.__all__
    assert sorted(public) == sorted(set(public))
    assert [name for name in public if not hasattr(flask_scim_provisioning, name)] == []
