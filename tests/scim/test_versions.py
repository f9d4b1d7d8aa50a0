"""Entity tags and conditions (RFC 7644 section 3.14, RFC 9110 section 13)."""

import pytest

from flask_scim_provisioning.scim.errors import PreconditionFailed
from flask_scim_provisioning.scim.versions import Preconditions, etag


def test_an_entity_tag_is_weak():
    """RFC 7644 section 3.14, the example: ``ETag: W/"e180ee84f0671b1"``."""
    assert etag(7) == 'W/"7"'


@pytest.mark.parametrize("header", ['W/"7"', '"7"', "*", 'W/"6", W/"7"', ' "6" ,"7" '])
def test_a_write_of_the_expected_version_goes_on(header):
    Preconditions(if_match=header).check_write(7)
    assert Preconditions(if_none_match=header).not_modified(7)


@pytest.mark.parametrize("header", ['W/"6"', "", "7", 'W/"77"', '"', 'W/"6", "8"', "rubbish"])
def test_a_write_of_another_version_fails(header):
    with pytest.raises(PreconditionFailed):
        Preconditions(if_match=header).check_write(7)
    assert not Preconditions(if_none_match=header).not_modified(7)


@pytest.mark.parametrize("header", ["*", 'W/"7"'])
def test_a_write_only_if_none_matches_fails_on_one_that_matches(header):
    """RFC 9110 section 13.1.2."""
    with pytest.raises(PreconditionFailed):
        Preconditions(if_none_match=header).check_write(7)
    Preconditions(if_none_match='W/"6"').check_write(7)


def test_without_conditions_everything_goes_on():
    Preconditions().check_write(7)
    assert not Preconditions().not_modified(7)
