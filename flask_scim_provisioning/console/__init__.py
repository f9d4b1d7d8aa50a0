"""The Provisioning pages for portal administrators."""
