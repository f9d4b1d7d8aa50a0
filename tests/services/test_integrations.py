"""Integrations: created whole or not at all, switched, and removed without touching the host."""

from __future__ import annotations

import threading
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.services import activity, integrations, signals
from flask_scim_provisioning.services.integrations import (
    IntegrationInvalid,
    IntegrationNameTaken,
    IntegrationNotFound,
    create_integration,
    disable_integration,
    enable_integration,
    endpoint_path,
    get_integration,
    list_integrations,
    remove_integration,
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
    session, models, create
) -> None:
    gone, stays = create(name="gone").integration, create(name="stays").integration
    for view in (gone, stays):
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
        remove_integration(session, models, "main", gone.id)
    assert heard == [("main", "gone")]
    assert [view.name for view in list_integrations(session, models)] == ["stays"]
    for model in (
        models.integration,
        models.service_account,
        models.binding,
        models.access_token,
        models.external_id,
        models.activity,
        models.role,
    ):
        assert session.scalar(sa.select(sa.func.count()).select_from(model)) == 1, model


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
