"""Tokens: their form, their life, and that a wrong one says nothing."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.scim.errors import (
    IntegrationDisabled,
    ScimError,
    TemporarilyUnavailable,
    Unauthorized,
)
from flask_scim_provisioning.services import integrations, signals
from flask_scim_provisioning.services.scope import Origin
from flask_scim_provisioning.services.tokens import (
    TokenSecret,
    authenticate,
    list_tokens,
    revoke_leaked,
    revoke_token,
    rotate_token,
)

TOKEN = TokenSecret.new()


class TestTokenSecret:
    def test_a_token_is_long_and_recognisable(self) -> None:
        text = TOKEN.reveal()
        assert len(text) == 200
        assert text.startswith("scim_")

    def test_repr_hides_the_secret(self) -> None:
        assert TOKEN.secret not in repr(TOKEN)
        assert TOKEN.secret not in f"{TOKEN}"

    def test_two_tokens_have_nothing_in_common(self) -> None:
        other = TokenSecret.new()
        assert (other.key_id, other.secret) != (TOKEN.key_id, TOKEN.secret)
        assert not other.matches(TOKEN.digest())

    @pytest.mark.parametrize(
        "form",
        [
            "{}",
            "Bearer {}",
            "bearer {}",
            "Bearer Bearer {}",
            "  Bearer\t{} \r\n",
            'Bearer "{}"',
            "Authorization: Bearer {}",
        ],
    )
    def test_what_administrators_paste_is_understood(self, form: str) -> None:
        assert TokenSecret.parse(form.format(TOKEN.reveal())) == TOKEN

    def test_a_line_break_of_an_e_mail_is_understood(self) -> None:
        text = TOKEN.reveal()
        assert TokenSecret.parse(f"Bearer {text[:76]}\r\n{text[76:]}") == TOKEN

    @pytest.mark.parametrize("place", [5, 20, 22, 100, 193, 199])
    def test_one_wrong_character_is_found_by_the_checksum(self, place: int) -> None:
        text = TOKEN.reveal()
        wrong = "b" if text[place] == "a" else "a"
        assert TokenSecret.parse(text[:place] + wrong + text[place + 1 :]) is None

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "Bearer",
            "Basic dXNlcjpwYXNz",
            "scim_",
            TOKEN.reveal()[:-1],
            TOKEN.reveal() + "x",
            TOKEN.reveal().lower(),
            "Bearer é",
            "x" * 1_000_000,
        ],
    )
    def test_anything_else_is_no_token(self, text: str | None) -> None:
        assert TokenSecret.parse(text) is None


@pytest.fixture
def sign_in(session, models, created):
    """Authenticate as the integration; every value can be replaced."""

    def authenticated(text: str | None = None, **values):
        view = created.integration
        known = {"tenant": view.tenant, "integration_id": view.id}
        bearer = f"Bearer {created.secret.reveal()}" if text is None else text
        return authenticate(session, models, bearer, **known | values)

    return authenticated


@pytest.fixture
def statements(engine):
    """The statements that the database was sent."""
    sent: list[str] = []

    def keep(_connection, _cursor, statement, *_others):
        sent.append(statement)

    sa.event.listen(engine, "before_cursor_execute", keep)
    return sent


class TestAuthenticate:
    def test_the_token_opens_its_own_url(self, sign_in, created) -> None:
        found = sign_in()
        view = created.integration
        assert (found.tenant, found.integration_id, found.integration_name, found.dialect) == (
            "main",
            view.id,
            "Contoso",
            "entra",
        )
        assert found.service_account_id == view.service_account_id

    def test_the_id_of_the_url_is_text(self, sign_in, created) -> None:
        """Some clients write UUIDs in capitals."""
        assert sign_in(integration_id=str(created.integration.id).upper()).tenant == "main"

    def test_the_permissions_are_those_of_the_role(self, sign_in) -> None:
        permissions = sign_in().permissions
        assert "USERS:CREATE" in permissions
        assert "GROUPS:DELETE" in permissions
        assert "BINDINGS:DELETE" in permissions
        assert "USERS:DELETE" not in permissions

    def test_a_token_without_role_may_do_nothing(self, sign_in, session, models) -> None:
        session.execute(sa.delete(models.binding))
        session.commit()
        assert sign_in().permissions == frozenset()

    def test_everything_wrong_is_wrong_in_the_same_way(
        self, sign_in, create, session, models, created
    ) -> None:
        other = create(name="Other")
        foreign = create(name="Foreign", tenant="elsewhere")
        ended = create(name="Ended")
        rotate_token(session, models, "main", ended.integration.id)
        forged = TokenSecret(created.secret.key_id, TokenSecret.new().secret)

        def at(view):
            return {"tenant": view.tenant, "integration_id": view.id}

        attempts = [
            {"text": ""},
            {"text": "Bearer nonsense"},
            {"text": TokenSecret.new().reveal()},
            {"text": forged.reveal()},
            {"text": other.secret.reveal()},
            {"text": foreign.secret.reveal()},
            {"text": ended.secret.reveal(), **at(ended.integration)},
            at(other.integration),
            at(foreign.integration),
            {"tenant": "elsewhere"},
            {"integration_id": uuid.uuid4()},
            {"integration_id": "not-a-uuid"},
            {"now": datetime.max.replace(tzinfo=UTC), "text": TOKEN.reveal()},
        ]
        answers = set()
        for attempt in attempts:
            with pytest.raises(ScimError) as refusal:
                sign_in(**attempt)
            answers.add((type(refusal.value), refusal.value.detail))
        assert answers == {(Unauthorized, Unauthorized().detail)}

    def test_an_expired_token_opens_nothing(self, create, sign_in) -> None:
        short = create(name="Short", lifetime=timedelta(days=1))
        url = {"tenant": "main", "integration_id": short.integration.id}
        text = short.secret.reveal()
        assert sign_in(text, **url).integration_name == "Short"
        with pytest.raises(Unauthorized):
            sign_in(text, **url, now=datetime.now(UTC) + timedelta(days=1, seconds=1))

    def test_disabled_is_said_only_to_the_right_token(
        self, sign_in, session, models, created
    ) -> None:
        integrations.disable_integration(session, models, "main", created.integration.id)
        with pytest.raises(IntegrationDisabled):
            sign_in()
        with pytest.raises(Unauthorized):
            sign_in(TokenSecret(created.secret.key_id, TOKEN.secret).reveal())

    def test_it_costs_one_statement(self, sign_in, statements) -> None:
        sign_in()
        statements.clear()
        sign_in()
        assert len(statements) == 1

    def test_a_typing_error_costs_none(self, sign_in, created, statements) -> None:
        with pytest.raises(Unauthorized):
            sign_in(created.secret.reveal()[:-1] + "!")
        assert statements == []

    def test_the_last_use_is_written_every_five_minutes(
        self, sign_in, session, models, created
    ) -> None:
        start = datetime(2026, 5, 1, 12, tzinfo=UTC)
        written = []
        for minutes in (0, 1, 4.9, 5, 7):
            sign_in(now=start + timedelta(minutes=minutes))
            written.append(list_tokens(session, models, created.integration.id)[0].last_used)
        assert written == [start, start, start, *[start + timedelta(minutes=5)] * 2]

    def test_a_locked_database_is_no_reason_to_refuse(
        self, sign_in, session, models, monkeypatch
    ) -> None:
        real = type(session).execute

        def busy(self, statement, *values, **options):
            if statement.is_update:
                raise sa.exc.OperationalError("UPDATE", {}, Exception("database is locked"))
            return real(self, statement, *values, **options)

        monkeypatch.setattr(type(session), "execute", busy)
        assert sign_in().integration_name == "Contoso"


class TestRotation:
    def test_the_new_token_works_and_the_old_one_ends(
        self, sign_in, session, models, created
    ) -> None:
        fresh = rotate_token(session, models, "main", created.integration.id)
        assert sign_in(fresh.reveal()).integration_name == "Contoso"
        with pytest.raises(Unauthorized):
            sign_in()

    def test_the_old_token_lives_until_the_new_one_was_used(
        self, sign_in, session, models, created
    ) -> None:
        """Who closes the tab before the new one is pasted anywhere has broken nothing."""
        now = datetime.now(UTC)
        fresh = rotate_token(
            session, models, "main", created.integration.id, overlap=timedelta(hours=1), now=now
        ).reveal()
        later = now + timedelta(days=300)
        assert sign_in(now=later).tenant == "main"
        assert sign_in(fresh, now=later).tenant == "main"
        assert sign_in(now=later + timedelta(minutes=59)).tenant == "main"
        (_, old) = list_tokens(session, models, created.integration.id)
        end = later + timedelta(minutes=119)
        assert old.ends == end
        with pytest.raises(Unauthorized):
            sign_in(now=end)
        assert sign_in(fresh, now=end).tenant == "main"

    def test_a_token_that_is_still_used_goes_on_working(
        self, sign_in, session, models, created
    ) -> None:
        """The new one was tested in the identity provider, and never saved there."""
        now = datetime.now(UTC)
        fresh = rotate_token(
            session, models, "main", created.integration.id, overlap=timedelta(hours=24), now=now
        )
        assert sign_in(fresh.reveal(), now=now).tenant == "main"
        for hours in range(0, 24 * 14, 12):
            assert sign_in(now=now + timedelta(hours=hours)).tenant == "main"
        with pytest.raises(Unauthorized):
            sign_in(now=now + timedelta(hours=24 * 14 + 13))

    def test_it_can_be_left_until_somebody_revokes_it(
        self, sign_in, session, models, created
    ) -> None:
        fresh = rotate_token(session, models, "main", created.integration.id, overlap=None)
        assert sign_in(fresh.reveal()).tenant == "main"
        assert sign_in(now=datetime.now(UTC) + timedelta(days=999)).tenant == "main"
        newest, old = list_tokens(session, models, created.integration.id)
        assert (old.successor_id, old.ends) == (newest.id, None)

    def test_rotated_again_it_waits_for_the_newest(self, sign_in, session, models, created) -> None:
        """The second token was lost before it was pasted anywhere."""
        now = datetime.now(UTC)
        arguments = (session, models, "main", created.integration.id)
        hour = timedelta(hours=1)
        lost = rotate_token(*arguments, overlap=hour, now=now)
        rotate_token(*arguments, overlap=hour, now=now)
        assert sign_in(lost.reveal(), now=now).tenant == "main"
        assert sign_in(now=now + timedelta(days=9)).tenant == "main"

    def test_six_rotations_at_once_make_six_tokens_and_one_lives(
        self, engine, session, models, created
    ) -> None:
        failed: list[Exception] = []
        barrier = threading.Barrier(6)

        def rotate() -> None:
            with Session(engine) as own:
                barrier.wait()
                for attempt in range(20):
                    try:
                        rotate_token(own, models, "main", created.integration.id)
                        break
                    except TemporarilyUnavailable as error:
                        if attempt == 19:
                            failed.append(error)

        threads = [threading.Thread(target=rotate) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        session.rollback()
        found = list_tokens(session, models, created.integration.id)
        assert len(found) == 7
        assert [token.is_active(datetime.now(UTC)) for token in found].count(True) == 1

    def test_a_token_tells_whose_it_is_and_where_it_was_used(
        self, sign_in, session, models, created
    ) -> None:
        rotate_token(
            session, models, "main", created.integration.id, label="Staging job", actor="ada"
        )
        origin = Origin(address="192.0.2.7", user_agent="Entra\x00" + "x" * 400)
        with pytest.raises(Unauthorized):
            sign_in(origin=origin)
        newest, old = list_tokens(session, models, created.integration.id)
        assert (newest.label, newest.created_by, newest.first_used) == ("Staging job", "ada", None)
        assert (old.revoked_by, old.last_used_address) == ("ada", None)

    def test_the_last_use_says_from_where(self, sign_in, session, models, created) -> None:
        sign_in(origin=Origin(address="192.0.2.7", user_agent="Entra\x00" + "x" * 400))
        (token,) = list_tokens(session, models, created.integration.id)
        assert token.last_used_address == "192.0.2.7"
        assert token.last_used_agent.startswith("Entra")
        assert token.first_used == token.last_used

    def test_the_overlap_lengthens_no_life(self, create, session, models) -> None:
        short = create(name="Short", lifetime=timedelta(hours=1)).integration
        (before,) = list_tokens(session, models, short.id)
        rotate_token(session, models, "main", short.id, overlap=timedelta(days=7))
        after = {token.id: token.expires for token in list_tokens(session, models, short.id)}
        assert after[before.id] == before.expires

    def test_a_foreign_tenant_rotates_nothing(self, session, models, created, sign_in) -> None:
        with pytest.raises(integrations.IntegrationNotFound):
            rotate_token(session, models, "elsewhere", created.integration.id)
        assert sign_in().tenant == "main"

    def test_the_signal_has_no_token(self, session, models, created) -> None:
        heard = []

        def hear(tenant, **values):
            heard.append((tenant, values))

        with signals.token_rotated.connected_to(hear):
            secret = rotate_token(session, models, "main", created.integration.id, actor="ada")
        ((tenant, values),) = heard
        assert tenant == "main"
        assert values == {
            "integration_id": created.integration.id,
            "name": "Contoso",
            "actor": "ada",
        }
        assert secret.secret not in repr(heard)

    def test_one_token_can_be_revoked(self, session, models, created, sign_in) -> None:
        view = created.integration
        (token,) = list_tokens(session, models, view.id)
        assert not revoke_token(session, models, "elsewhere", view.id, token.id)
        assert revoke_token(session, models, "main", view.id, token.id)
        assert not revoke_token(session, models, "main", view.id, token.id)
        with pytest.raises(Unauthorized):
            sign_in()


class TestLeaks:
    def test_a_leaked_token_is_ended_whoever_it_belongs_to(
        self, session, models, created, sign_in
    ) -> None:
        """A secret scanner has found it, in the middle of a line."""
        found = revoke_leaked(session, models, f' "Bearer {created.secret.reveal()}"\n', actor="ci")
        assert (found.integration_name, found.tenant, found.ended) == ("Contoso", "main", True)
        with pytest.raises(Unauthorized):
            sign_in()
        assert not revoke_leaked(session, models, created.secret.reveal()).ended

    def test_what_is_no_token_of_ours_ends_nothing(self, session, models, created, sign_in) -> None:
        forged = TokenSecret(created.secret.key_id, TOKEN.secret)
        for text in ("", "scim_x", TokenSecret.new().reveal(), forged.reveal()):
            assert revoke_leaked(session, models, text) is None
        assert sign_in().tenant == "main"


def test_only_a_digest_is_stored(session, models, created) -> None:
    row = session.execute(sa.select(models.access_token.__table__)).one()
    assert row.digest == created.secret.digest()
    assert created.secret.secret not in repr(row)
