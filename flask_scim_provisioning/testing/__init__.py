"""What a portal team tests its own portal with: a client, a fixture, and a contract.

Public and versioned as the rest of the package. It needs pytest, and nothing else that the
extension doesn't need; pytest is imported only where it is used.
"""

from .client import ScimClient, connect, scim_fixture
from .contract import ProvisioningContract

__all__ = ["ProvisioningContract", "ScimClient", "connect", "scim_fixture"]
