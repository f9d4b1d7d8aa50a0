"""Integrations: created whole or not at all, switched, and removed without touching the host."""

from __future__ import annotations

import functools
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session

from flask_scim_provisioning.scim.errors import (
    IntegrationDisabled,
    TemporarilyUnavailable,
    Unauthorized,
)
from flask_scim_provisioning.services import activity, integrations, signals
from flask_scim_provisioning.services.integrations import (
    IntegrationInvalid,
    IntegrationNameTaken,
    IntegrationNotFound,
    create_integration,
    disable_integration,
    enable_integration,
    endpoint_path,
    forget_removed,
    get_integration,
    get_removed,
    list_integrations,
    list_removed,
    pause_integration,
    remove_integration,
    update_integration,
)
from flask_scim_provisioning.services.policies import Choice, Flag, Number, Policies
from flask_scim_provisioning.services.tokens import (
    authenticate,
    list_tokens,
    revoke_token,
    rotate_token,
)


def test_an_integration_has_a_service_account_with_the_role(session, models, created) -> None:
    view = get_integration(session, models, "main", created.integration.id)
    assert view == created.integration
    assert view.role == "SCIMProvisioner"
    assert view.permissions == {
        "GROUPS": ["CREATE", "READ", "UPDATE", "DELETE"],
        "USERS": ["CREATE", "READ", "UPDATE"],
        "BINDINGS": ["CREATE", "READ", "UPDATE", "DELETE"],
    }
    assert view.enabled
    assert view.last_used is None


def test_the_role_is_shared_by_a_tenant(session, models, create) -> None:
    for tenant, name in (("a", "one"), ("a", "two"), ("b", "one")):
        create(tenant=tenant, name=name)
    roles = session.scalars(sa.select(models.role.tenant).order_by(models.role.tenant)).all()
    assert roles == ["a", "b"]


def test_a_narrowed_role_stays_narrow(session, models, create) -> None:
    create(name="one")
    session.execute(sa.update(models.role).values(permissions={"USERS": ["READ"]}))
    session.commit()
    assert create(name="two").integration.permissions == {"USERS": ["READ"]}


def test_a_name_is_taken_once_in_a_tenant(create, session, models) -> None:
    create(name="Contoso")
    with pytest.raises(IntegrationNameTaken) as refusal:
        create(name=" Contoso ")
    assert refusal.value.field == "name"
    assert create(name="Contoso", tenant="other").integration.tenant == "other"
    counts = [
        session.scalar(sa.select(sa.func.count()).select_from(model))
        for model in (models.integration, models.service_account, models.access_token)
    ]
    assert counts == [2, 2, 2]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 121),
        ("name", "two\nlines"),
        ("description", "x" * 501),
        ("description", "NUL\x00"),
        ("type", "scim-1.1"),
        ("dialect", "unheard-of"),
        ("tenant", ""),
        ("tenant", "a/b"),
        ("tenant", ".."),
        ("tenant", "x" * 65),
    ],
)
def test_a_value_that_no_integration_can_have_names_its_field(create, field, value) -> None:
    with pytest.raises(IntegrationInvalid) as refusal:
        create(**{field: value})
    assert refusal.value.field == field


def test_two_administrators_at_once_make_one_role(engine, models) -> None:
    """The first integrations of a tenant, created at the same time, both succeed."""
    barrier = threading.Barrier(2)
    made, failed = [], []

    def make(name: str) -> None:
        with Session(engine) as session:
            barrier.wait()
            try:
                made.append(create_integration(session, models, tenant="main", name=name))
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Session(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(models.role)) == 1
        assert [view.name for view in list_integrations(session, models)] == ["one", "two"]


def test_the_list_is_by_tenant_and_name(create, session, models) -> None:
    for tenant, name in (("b", "x"), ("a", "z"), ("a", "y")):
        create(tenant=tenant, name=name)
    everything = [(view.tenant, view.name) for view in list_integrations(session, models)]
    assert everything == [("a", "y"), ("a", "z"), ("b", "x")]
    assert [view.name for view in list_integrations(session, models, "a")] == ["y", "z"]


def test_a_second_role_lists_no_integration_twice(created, session, models) -> None:
    role_id = uuid.uuid4()
    session.execute(
        sa.insert(models.role).values(id=role_id, tenant="main", name="Auditor", permissions={})
    )
    session.execute(
        sa.insert(models.binding).values(
            role_id=role_id, service_account_id=created.integration.service_account_id
        )
    )
    session.commit()
    assert len(list_integrations(session, models)) == 1


@pytest.mark.parametrize("wrong", ["not-a-uuid", "b0a1d7e4-6f0c-4f0e-9a55-1c1d7f1c9a10"])
def test_an_unknown_id_is_not_found(session, models, wrong) -> None:
    with pytest.raises(IntegrationNotFound):
        get_integration(session, models, "main", wrong)


@pytest.mark.parametrize(
    "act", [get_integration, enable_integration, disable_integration, remove_integration]
)
def test_another_tenants_integration_is_not_found(session, models, created, act) -> None:
    with pytest.raises(IntegrationNotFound):
        act(session, models, "elsewhere", created.integration.id)
    assert get_integration(session, models, "main", created.integration.id).enabled


def test_disabling_and_enabling_is_told_and_written(session, models, created) -> None:
    view, heard = created.integration, []

    def hear_off(tenant, **values):
        heard.append(("off", tenant, values["actor"]))

    def hear_on(tenant, **values):
        heard.append(("on", tenant, values["actor"]))

    with (
        signals.integration_disabled.connected_to(hear_off),
        signals.integration_enabled.connected_to(hear_on),
    ):
        assert not disable_integration(session, models, "main", view.id, "ada").enabled
        assert not disable_integration(session, models, "main", view.id, "ada").enabled
        assert enable_integration(session, models, "main", str(view.id), "bob").enabled
    assert heard == [("off", "main", "ada"), ("on", "main", "bob")]
    entries = activity.recent(session, models, view.id)
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("integration.enabled", "bob"),
        ("integration.disabled", "ada"),
        ("integration.created", None),
    ]


def test_removing_takes_everything_of_the_integration_and_nothing_else(
    session, models, create, monkeypatch
) -> None:
    """Its row stays for its history, and the history with it."""
    monkeypatch.setattr(integrations, "_DELETE_AT_ONCE", 2)
    gone, stays = create(name="gone").integration, create(name="stays").integration
    for view, many in ((gone, 5), (stays, 1)):
        for _ in range(many):
            session.execute(
                sa.insert(models.external_id).values(
                    integration_id=view.id,
                    resource_type="User",
                    link_id=str(uuid.uuid4()),
                    external_id="e",
                )
            )
    session.commit()
    heard = []

    def hear(tenant, **values):
        heard.append((tenant, values["name"]))

    with signals.integration_removed.connected_to(hear):
        remove_integration(session, models, "main", gone.id, "ada")
    assert heard == [("main", "gone")]
    assert [view.name for view in list_integrations(session, models)] == ["stays"]
    for model in (
        models.service_account,
        models.binding,
        models.access_token,
        models.external_id,
        models.role,
    ):
        assert session.scalar(sa.select(sa.func.count()).select_from(model)) == 1, model


def test_what_happened_survives_the_removal(session, models, create) -> None:
    """Who created, edited, switched, rotated, revoked and removed what can be read afterwards."""
    view = create(name="gone", actor="ada").integration
    arguments = (session, models, "main", view.id)
    update_integration(
        *arguments, name="renamed", description="", dialect=view.dialect, actor="bob"
    )
    pause_integration(*arguments, "bob")
    disable_integration(*arguments, "bob")
    enable_integration(*arguments, "cy")
    rotate_token(*arguments, actor="cy")
    revoke_token(*arguments, list_tokens(session, models, view.id)[0].id, actor="cy")
    remove_integration(*arguments, "ada")
    told = [(entry.action, entry.actor) for entry in activity.recent(session, models, view.id)]
    assert told == [
        ("integration.removed", "ada"),
        ("token.revoked", "cy"),
        ("token.rotated", "cy"),
        ("integration.enabled", "cy"),
        ("integration.disabled", "bob"),
        ("integration.paused", "bob"),
        ("integration.edited", "bob"),
        ("integration.created", "ada"),
    ]
    edited = activity.page(session, models, view.id, action="integration.edited").entries[0]
    assert edited.changes == {"attributes": ["name"], "was": {"name": "gone"}}
    removed = get_removed(*arguments)
    assert (removed.name, removed.removed is not None) == ("renamed", True)
    assert [each.id for each in list_removed(session, models, "main")] == [view.id]
    assert list_removed(session, models, "elsewhere") == []
    with pytest.raises(IntegrationNotFound):
        get_integration(*arguments)
    with pytest.raises(IntegrationNotFound):
        remove_integration(*arguments)


def test_the_name_of_a_removed_integration_is_free(session, models, create) -> None:
    for _ in range(3):
        remove_integration(session, models, "main", create().integration.id)
    assert {each.name for each in list_removed(session, models)} == {"Contoso"}


def test_removed_integrations_are_forgotten_with_their_activity(session, models, create) -> None:
    gone, _ = create(name="gone").integration, create(name="stays").integration
    remove_integration(session, models, "main", gone.id)
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert forget_removed(session, models, later) == 0
    session.execute(sa.delete(models.activity).where(models.activity.integration_id == gone.id))
    session.commit()
    assert forget_removed(session, models, later - timedelta(days=1)) == 0
    assert forget_removed(session, models, later) == 1
    assert list_removed(session, models) == []
    assert [view.name for view in list_integrations(session, models)] == ["stays"]


def test_settings_can_be_edited(session, models, create) -> None:
    view = create(description="old").integration
    create(name="Other")
    arguments = (session, models, "main", view.id)
    usual = {"name": "Contoso", "description": "new", "dialect": "okta"}
    heard = []

    def hear(tenant, **values):
        heard.append(values["name"])

    with signals.integration_updated.connected_to(hear):
        edited = update_integration(*arguments, **usual)
        assert (edited.description, edited.dialect) == ("new", "okta")
        update_integration(*arguments, **usual)
    assert heard == ["Contoso"]
    with pytest.raises(IntegrationNameTaken):
        update_integration(*arguments, **usual | {"name": "Other"})
    for wrong in ({"name": ""}, {"dialect": "ldap"}, {"description": "x" * 501}):
        with pytest.raises(IntegrationInvalid):
            update_integration(*arguments, **usual | wrong)
    with pytest.raises(IntegrationNotFound):
        update_integration(session, models, "elsewhere", view.id, **usual)


def test_policies_are_chosen_kept_and_told(session, models, created) -> None:
    view = created.integration
    assert view.policies == Policies()
    edit = functools.partial(
        update_integration,
        session,
        models,
        "main",
        view.id,
        name=view.name,
        description="",
        dialect=view.dialect,
    )
    edited = edit(policies=Policies(may_grant_administrators=True))
    assert edited.policies.may_grant_administrators
    assert edit(description="x").policies == edited.policies
    (told, *_) = [
        entry
        for entry in activity.recent(session, models, view.id, 10)
        if entry.action == "integration.edited" and "description" not in entry.changes["was"]
    ]
    assert told.changes["was"] == {"may_grant_administrators": False}
    assert edit(policies=Policies()).policies == Policies()


def test_policies_of_another_release_are_left_at_their_defaults() -> None:
    kept = {"may_grant_administrators": "perhaps", "of_tomorrow": 3}
    assert Policies.of(kept) == Policies.of(None) == Policies()


@pytest.mark.parametrize(
    ("policy", "good", "bad"),
    [
        (Flag("t", "e"), {"yes": True, "Off": False, True: True}, ["perhaps", None, 2]),
        (Choice("t", "e", {"a": "A"}), {"a": "a"}, ["b", None]),
        (
            Number("t", "e", "days", 1, 30),
            {"": None, None: None, " 30 ": 30, 1: 1},
            ["0", "31", "-1", "1.5", "9" * 5000, "x", "\u0665\u0665"],
        ),
    ],
)
def test_a_policy_reads_what_was_chosen_and_refuses_the_rest(policy, good, bad) -> None:
    assert {key: policy.read(key) for key in good} == good
    for value in bad:
        with pytest.raises(ValueError, match=r"\.$"):
            policy.read(value)


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(IntegrationInvalid, match="There is no policy pirates"):
        Policies.chosen({"pirates": "yes"})


def test_a_pause_ends_by_enabling(session, models, created) -> None:
    arguments = (session, models, "main", created.integration.id)
    paused = pause_integration(*arguments)
    assert (paused.enabled, paused.paused is not None) == (True, True)
    assert paused.state_since == paused.paused
    assert enable_integration(*arguments).paused is None
    disable_integration(*arguments)
    with pytest.raises(IntegrationInvalid) as refusal:
        pause_integration(*arguments)
    assert refusal.value.field == "state"


def test_a_draft_lets_nobody_in_until_it_is_enabled(session, models, create) -> None:
    made = create(enabled=False)
    view = made.integration
    assert (view.draft, view.enabled) == (True, False)
    arguments = (session, models, made.secret.reveal(), "main", view.id)
    with pytest.raises(IntegrationDisabled):
        authenticate(*arguments)
    assert not enable_integration(session, models, "main", view.id).draft
    assert authenticate(*arguments).integration_id == view.id


def test_switching_at_once_tells_only_of_changes(engine, session, models, created) -> None:
    """Each entry of the log is one change: on and off take turns."""
    view = created.integration
    barrier = threading.Barrier(8)
    failed: list[Exception] = []

    def switch(act) -> None:
        with Session(engine) as own:
            barrier.wait()
            for _ in range(4):
                for attempt in range(30):
                    try:
                        act(own, models, "main", view.id)
                        break
                    except TemporarilyUnavailable as error:
                        if attempt == 29:
                            failed.append(error)

    threads = [
        threading.Thread(target=switch, args=(act,))
        for act in [enable_integration, disable_integration] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    session.rollback()
    told = [entry.action for entry in activity.recent(session, models, view.id, 99)][:-1]
    turns = ["integration.disabled", "integration.enabled"]
    assert told
    assert list(reversed(told)) == [turns[number % 2] for number in range(len(told))]


def test_another_case_is_another_tenant(session, models, create) -> None:
    """ACME's administrator must not see acme's integrations, whatever the database's collation."""
    small, large = create(tenant="acme").integration, create(tenant="ACME").integration
    assert [view.id for view in list_integrations(session, models, "ACME")] == [large.id]
    with pytest.raises(IntegrationNotFound):
        get_integration(session, models, "ACME", small.id)
    made = create(tenant="acme", name="CONTOSO")
    with pytest.raises(Unauthorized):
        authenticate(session, models, made.secret.reveal(), "Acme", made.integration.id)


def test_every_identifier_of_ours_is_compared_exactly(models) -> None:
    """What MariaDB and MySQL would compare without case is declared otherwise, column by column."""
    dialect = mysql.dialect()
    inexact = {
        f"{table.name}.{column.name}"
        for mapped in vars(models).values()
        for table in [mapped.__table__]
        for column in table.columns
        if isinstance(column.type, sa.String)
        and "collation" not in vars(column.type.dialect_impl(dialect))
        and getattr(column.type.dialect_impl(dialect), "collation", None) is None
    }
    # Words for people, and words of a list of our own that is written in one case only.
    assert {name.partition(".")[2] for name in inexact} <= {
        "action",
        "actor",
        "address",
        "attention",
        "cause",
        "created_by",
        "description",
        "detail",
        "dialect",
        "host_role",
        "label",
        "last_used_address",
        "last_used_agent",
        "method",
        "outcome",
        "path",
        "resource_type",
        "revoked_by",
        "scim_type",
        "subject_type",
        "type",
        "user_agent",
    }


def test_changes_are_security_events(session, models, create, caplog) -> None:
    """OWASP ASVS 5, section 16.3: one documented logger, with who and which token."""
    caplog.set_level("INFO", "flask_scim_provisioning.security")
    made = create(actor="ada\nforged: line")
    remove_integration(session, models, "main", made.integration.id, "bob")
    lines = [record.getMessage() for record in caplog.records]
    assert f"key_id={made.secret.key_id}" in lines[0]
    assert "action=integration.created" in lines[0]
    assert "\n" not in lines[0]
    assert "action=integration.removed" in lines[1]
    assert "actor=bob" in lines[1]
    assert made.secret.secret not in caplog.text


def test_a_receiver_that_fails_undoes_nothing(session, models, create, caplog) -> None:
    def fail(_tenant, **_values):
        raise RuntimeError("the receiver's own mistake")

    with signals.integration_created.connected_to(fail):
        view = create().integration
    assert get_integration(session, models, "main", view.id).name == "Contoso"
    assert "integration-created" in caplog.text


def test_a_signal_is_heard_by_tenant(create) -> None:
    heard = []

    def hear(tenant, **values):
        heard.append(values["name"])

    signals.integration_created.connect(hear, sender="a")
    create(tenant="a", name="one")
    create(tenant="b", name="two")
    signals.integration_created.disconnect(hear)
    assert heard == ["one"]


def test_the_endpoint_is_where_the_source_says() -> None:
    """The shape is https://HOST/api/v1/TENANT/integrations/INTEGRATION_ID/scim/v2."""
    assert endpoint_path("/api/v1/", "main", "7") == "/api/v1/main/integrations/7/scim/v2"


def test_every_type_has_a_title() -> None:
    assert integrations.TYPES["scim-2.0"] == "SCIM 2.0"


def test_requests_during_a_removal_are_done_or_refused(portal) -> None:
    """None of them fails in between: what a request still writes belongs to a row that stays."""
    state = portal.app.extensions["scim_provisioning"]
    answers: list[int] = []
    barrier = threading.Barrier(4)

    def send(worker: int) -> None:
        barrier.wait()
        for number in range(15):
            name = f"u{worker}-{number}"
            body = {"userName": name, "externalId": name}
            answers.append(portal.client.post("/Users", body).status_code)

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    barrier.wait()
    with Session(portal.engine) as session:
        for attempt in range(20):
            try:
                remove_integration(session, state.models, "main", portal.integration.id)
                break
            except TemporarilyUnavailable:
                assert attempt < 19
    for thread in threads:
        thread.join()
    assert set(answers) <= {201, 401, 503}
    assert portal.client.get("/Users").status_code == 401
