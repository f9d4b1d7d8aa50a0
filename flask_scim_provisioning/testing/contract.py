"""The contract: all checks together, for a portal team to run against its own models."""

from __future__ import annotations

from .conformance import Conformance
from .dialects import Dialects
from .isolation import Isolation
from .lifecycle import Lifecycle
from .membership import Membership
from .round_trip import RoundTrip

__all__ = ["ProvisioningContract"]


class ProvisioningContract(Conformance, RoundTrip, Dialects, Membership, Isolation, Lifecycle):
    """What provisioning promises, checked against a portal's own models.

    A team subclasses it in its tests and gives it the portal, as a pytest fixture::

        class TestProvisioning(ProvisioningContract):
            @pytest.fixture
            def portal(self, app):
                return app

    :ivar portal: A fixture: the Flask application, with ``Provisioning.init_app`` called on it and
        its tables made. The checks create people and groups, so that each test wants tables
        of its own, or such that are emptied.

    What can be written, and what is required, is learned from the portal's ``/Schemas``. What can't
    be learned there is said by a few class attributes; checks that don't apply to a portal
    aren't collected. Where the models want other values than the usual ones, the team overrides
    :meth:`new_user`, :meth:`renamed`, :meth:`new_group` and :meth:`renamed_group`. Three further
    methods add checks that need to look into the portal: :meth:`existing_user`,
    :meth:`existing_group` and :meth:`may_sign_in`.

    A check that a portal is right to fail is left out by name: ``test_users_are_sorted = None``.
    """
