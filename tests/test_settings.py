"""The configuration: read once, and refused with its cure."""

from __future__ import annotations

import pytest

from flask_scim_provisioning.settings import SETTINGS, SettingsError, read_settings


def test_every_setting_has_a_default_that_is_good() -> None:
    assert dict(read_settings({})) == {setting.name: setting.default for setting in SETTINGS}


def test_every_setting_says_what_it_is_for() -> None:
    assert [setting.name for setting in SETTINGS if not setting.help.endswith(".")] == []
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_what_was_read_cannot_be_changed() -> None:
    config = {"SCIM_MAX_RESULTS": 500}
    settings = read_settings(config)
    config["SCIM_MAX_RESULTS"] = 1
    assert settings["SCIM_MAX_RESULTS"] == 500
    with pytest.raises(TypeError):
        settings["SCIM_MAX_RESULTS"] = 1  # type: ignore[index]  # what the test is about


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("SCIM_MAX_RESULT", "SCIM_MAX_RESULTS"),
        ("SCIM_EXTERNAL_URI", "SCIM_EXTERNAL_URL"),
        ("SCIM_BASE_TEMPLATE", "SCIM_PROVISIONING_BASE_TEMPLATE"),
    ],
)
def test_a_misspelt_key_names_the_nearest(wrong, meant) -> None:
    with pytest.raises(SettingsError, match=f"{wrong} is no setting; did you mean {meant}?"):
        read_settings({wrong: 1})


def test_a_key_like_no_other_gets_the_list() -> None:
    with pytest.raises(SettingsError, match="the settings are SCIM_ACTIVITY_DAYS, "):
        read_settings({"SCIM_XYZZY": 1})


def test_other_extensions_have_their_own_keys() -> None:
    read_settings({"SECRET_KEY": "x", "SCIMMING": 1, "SCIM_TEST_MARIADB_URL": "mysql://"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SCIM_URL_PREFIX", "api"),
        ("SCIM_URL_PREFIX", ""),
        ("SCIM_URL_PREFIX", "/"),
        ("SCIM_URL_PREFIX", "/<tenant>"),
        ("SCIM_URL_PREFIX", None),
        ("SCIM_CONSOLE_PREFIX", 1),
        ("SCIM_EXTERNAL_URL", "portal.example.com"),
        ("SCIM_EXTERNAL_URL", "ftp://portal.example.com"),
        ("SCIM_EXTERNAL_URL", ""),
        ("SCIM_MAX_RESULTS", 0),
        ("SCIM_MAX_RESULTS", "200"),
        ("SCIM_MAX_RESULTS", True),
        ("SCIM_DEFAULT_RESULTS", None),
        ("SCIM_MAX_BODY_BYTES", 1.5),
        ("SCIM_TOKEN_DAYS", -1),
        ("SCIM_ACTIVITY_DAYS", "90"),
        ("SCIM_PROVISIONING_BASE_TEMPLATE", ""),
    ],
)
def test_a_wrong_value_says_what_it_has_to_be(key, value) -> None:
    with pytest.raises(SettingsError, match=f"{key} is .*; it has to be (an?|the) "):
        read_settings({key: value})


def test_a_slash_at_the_end_makes_no_difference() -> None:
    settings = read_settings(
        {"SCIM_URL_PREFIX": "/scim/", "SCIM_EXTERNAL_URL": "https://portal.example.com/app/"}
    )
    assert settings["SCIM_URL_PREFIX"] == "/scim"
    assert settings["SCIM_EXTERNAL_URL"] == "https://portal.example.com/app"


def test_a_page_is_no_larger_than_the_largest() -> None:
    with pytest.raises(SettingsError, match="SCIM_DEFAULT_RESULTS is larger"):
        read_settings({"SCIM_MAX_RESULTS": 50})


def test_pages_and_endpoints_dont_meet() -> None:
    with pytest.raises(SettingsError, match="give the pages another path"):
        read_settings({"SCIM_URL_PREFIX": "/scim", "SCIM_CONSOLE_PREFIX": "/scim/"})
