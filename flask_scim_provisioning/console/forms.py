"""The forms of the console: they check the shape of what was typed; services check its truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

import wtforms
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, Optional, ValidationError

from ..models import DESCRIPTION_LENGTH, NAME_LENGTH
from ..scim.errors import ScimError
from ..scim.messages import read_json
from ..services.integrations import TYPES
from ..services.policies import POLICIES, Choice, Flag, Number, Policies, Policy
from ..services.rehearsal import METHODS
from .guides import PROVIDERS

__all__ = [
    "ActionForm",
    "IntegrationForm",
    "IntegrationValues",
    "PolicyForm",
    "RemoveForm",
    "RotateForm",
    "SettingsForm",
    "TryForm",
    "add_error",
    "form_status",
]

_OVERLAPS = {
    "1d": ("until the new one was used, and 1 day longer", timedelta(days=1)),
    "7d": ("until the new one was used, and 7 days longer", timedelta(days=7)),
    "1h": ("until the new one was used, and 1 hour longer", timedelta(hours=1)),
    "ever": ("until I revoke it", None),
    "now": ("not at all: it leaked", timedelta(0)),
}

_LIFETIMES: Mapping[str, tuple[str, timedelta | None]] = {
    "portal": ("as this portal says", None),
    "90d": ("in 90 days", timedelta(days=90)),
    "180d": ("in 180 days", timedelta(days=180)),
    "365d": ("in one year", timedelta(days=365)),
    "730d": ("in two years", timedelta(days=730)),
    "never": ("never", None),
}


class IntegrationValues(TypedDict):
    """What the form gives to ``services.integrations.create_integration``."""

    name: str
    description: str
    type: str
    dialect: str


class SettingsValues(TypedDict):
    """What the form gives to ``services.integrations.update_integration``."""

    name: str
    description: str
    dialect: str


def form_status(form: FlaskForm) -> int:
    """Say to machines as well that a form came back with errors."""
    return 422 if form.errors else 200


def add_error(field: Field, message: str) -> None:
    """Show at a field what a service found wrong with it."""
    field.errors = [*field.errors, message]


def _choices(labels: Mapping[str, str]) -> list[Any]:
    """Return the choices of a field; WTForms before 3.3 takes pairs, later ones warn of them."""
    choice = getattr(wtforms, "SelectChoice", None)
    return [pair if choice is None else choice(*pair) for pair in labels.items()]


def _stripped(value: str | None) -> str | None:
    return value.strip() if value else value


def _one_line(form: FlaskForm, field: Field) -> None:  # noqa: ARG001 - the signature is WTForms'
    """Refuse control characters: databases cut or reject them, and a title can't show them."""
    if not (field.data or "").isprintable():
        raise ValidationError("Use letters, digits and punctuation only, on one line.")


def _text(form: FlaskForm, field: Field) -> None:  # noqa: ARG001 - the signature is WTForms'
    if not "".join((field.data or "").split()).isprintable():
        raise ValidationError("Use letters, digits and punctuation only.")


class _Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no annotations
    """A form that is protected alone as well as under the host's own CSRF check."""

    def is_accepted(self) -> bool:
        """Say whether it was sent, and every field is as it has to be.

        :raises CSRFError: when it was sent without a valid CSRF token.
        """
        accepted = bool(self.validate_on_submit())
        if "csrf_token" in self.errors:
            raise CSRFError(self.errors["csrf_token"][0])
        return accepted


class ActionForm(_Form):
    """A button: it carries nothing but the CSRF token."""

    def require_valid(self) -> None:
        """Let only a post of our own page through.

        :raises CSRFError: when it was sent without a valid CSRF token.
        """
        self.is_accepted()


class SettingsForm(_Form):
    """What of an integration can be edited."""

    FIELDS = ("name", "description", "dialect")

    name = StringField(
        "Name",
        description="How administrators recognise it, for example “Contoso Entra ID”.",
        filters=[_stripped],
        validators=[
            DataRequired("Enter a name for the integration."),
            Length(max=NAME_LENGTH, message="Use at most %(max)d characters for the name."),
            _one_line,
        ],
    )
    description = TextAreaField(
        "Description",
        description="What it is for and who looks after it. Optional.",
        filters=[_stripped],
        validators=[
            Optional(),
            Length(max=DESCRIPTION_LENGTH, message="Use at most %(max)d characters here."),
            _text,
        ],
    )
    dialect = RadioField(
        "Identity provider",
        description="Decides which of its habits are understood, and which setup guide you see.",
        choices=_choices({name: provider.label for name, provider in PROVIDERS.items()}),
        validators=[DataRequired("Choose your identity provider.")],
        validate_choice=True,
    )

    def settings(self) -> SettingsValues:
        """Return what was entered, in the words of the service."""
        return {
            "name": self.name.data or "",
            "description": self.description.data or "",
            "dialect": self.dialect.data or "",
        }


class PolicyForm(SettingsForm):
    """The settings of an integration that is there, and what it may do to people."""

    def policies(self) -> Policies:
        """Return what was chosen.

        :raises IntegrationInvalid: when a value can't be used; its ``field`` says which.
        """
        return Policies.chosen({name: self[name].data for name in POLICIES})

    def of_policies(self) -> list[Field]:
        """Return the fields of the policies."""
        return [self[name] for name in POLICIES]


def _field_of(policy: Policy) -> Any:
    """Return the form field that a policy is chosen by."""
    match policy:
        case Flag():
            return BooleanField(policy.title, description=policy.explains)
        case Choice():
            return SelectField(
                policy.title, description=policy.explains, choices=_choices(policy.options)
            )
        case Number():
            return StringField(
                f"{policy.title} ({policy.unit})", description=policy.explains, filters=[_stripped]
            )


for _name, _policy in POLICIES.items():
    setattr(PolicyForm, _name, _field_of(_policy))


class IntegrationForm(SettingsForm):
    """Create an integration."""

    type = SelectField(
        "Provisioning type",
        description="The protocol that your identity provider speaks.",
        choices=_choices(TYPES),
        default="scim-2.0",
    )

    def values(self) -> IntegrationValues:
        """Return what was entered, in the words of the service."""
        return {**self.settings(), "type": self.type.data or ""}


class TryForm(_Form):
    """A request to be tried out.

    :param endpoints: Where it may go to, such as ``/Users``.
    :param most: How many characters its body has at most.
    """

    method = SelectField("Method", choices=_choices({each: each for each in METHODS}))
    endpoint = SelectField("Endpoint")
    resource_id = StringField(
        "Id",
        description="Whom it is about, by the id of this service. Empty for POST.",
        filters=[_stripped],
        validators=[Optional(), Length(max=64, message="An id is shorter."), _one_line],
    )
    body = TextAreaField(
        "Body",
        description="What the identity provider sends, in JSON. Nothing of it is kept.",
        filters=[_stripped],
    )

    def __init__(self, endpoints: Sequence[str], most: int) -> None:
        super().__init__()
        self._most = most
        self._document: Any = None
        self.endpoint.choices = _choices({each: each for each in endpoints})

    def methods(self) -> list[tuple[str, str]]:
        """Return what may be chosen."""
        return [(each, each) for each in METHODS]

    def validate_body(self, field: Field) -> None:
        """Read the JSON."""
        text = field.data or ""
        if self.method.data == "DELETE":
            return
        if len(text) > self._most:
            raise ValidationError(f"Use at most {self._most} characters.")
        try:
            self._document = read_json(text.encode())
        except ScimError as error:
            raise ValidationError(error.detail) from None

    def document(self) -> Any:
        """Return the JSON value of the body."""
        return self._document


class RotateForm(_Form):
    """Ask for a new token.

    ``newest`` is the key id of the newest token when the page was made: a post that is sent twice,
    by a double click or a reload, makes one token and not two.
    """

    newest = HiddenField()
    label = StringField(
        "Label",
        description="What it is for, for example “Production job”. Optional.",
        filters=[_stripped],
        validators=[
            Optional(),
            Length(max=NAME_LENGTH, message="Use at most %(max)d characters for the label."),
            _one_line,
        ],
    )
    expires = SelectField(
        "The new token expires",
        description="Thirty days before, the pages say that it is time to rotate.",
        choices=_choices({name: label for name, (label, _) in _LIFETIMES.items()}),
        default="portal",
    )
    overlap = SelectField(
        "The present token goes on working",
        description="Take the time you need to paste the new one: nothing ends before it was used, "
        "and a token that is still used never ends by itself.",
        choices=_choices({name: label for name, (label, _) in _OVERLAPS.items()}),
        default="1d",
    )

    def __init__(self, lifetime: timedelta | None) -> None:
        """Make the form.

        :param lifetime: What the portal gives to new tokens by itself; None for ever.
        """
        super().__init__()
        self._usual = lifetime
        usual = "never" if lifetime is None else f"in {lifetime.days} days"
        choices = {name: label for name, (label, _) in _LIFETIMES.items()}
        choices["portal"] = f"{usual} (what this portal's settings say)"
        self.expires.choices = _choices(choices)

    def lifetime_time(self) -> timedelta | None:
        """Return how long the new token is valid; None for ever."""
        if self.expires.data == "portal":
            return self._usual
        return _LIFETIMES[self.expires.data][1]

    def overlap_time(self) -> timedelta | None:
        """Return how long the present tokens go on working once the new one was used."""
        return _OVERLAPS[self.overlap.data][1]

    def consequence(self) -> str:
        """Return what becomes of the present tokens, as a sentence."""
        label, overlap = _OVERLAPS[self.overlap.data]
        if overlap == timedelta(0):
            return "The old one has ended."
        return f"The old one goes on working {label}."

    def is_first(self, key_ids: Sequence[str]) -> bool:
        """Say whether no token was made since the page was.

        :param key_ids: The key ids of the integration's tokens, newest first.
        """
        return bool((self.newest.data or "") == (key_ids[0] if key_ids else ""))


class RemoveForm(_Form):
    """Remove an integration; its name is typed, so that nobody removes the wrong one by a click."""

    name = StringField("Name", filters=[_stripped])

    def __init__(self, expected: str) -> None:
        super().__init__()
        self.expected = expected
        self.name.label.text = f"Type “{expected}” to confirm"

    def validate_name(self, field: Field) -> None:
        """Compare with the name of the integration; case counts, blanks around it don't."""
        if (field.data or "") != self.expected.strip():
            raise ValidationError(f"Type the name exactly as it is: {self.expected}")
