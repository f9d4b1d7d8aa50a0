"""The table of deviations: what is sent otherwise than the RFC says, by whom, and what it means.

The documentation prints it. What is done stands in the functions that it names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import base, filters, okta, operations, others, values

__all__ = ["DEVIATIONS", "REWRITES", "Deviation"]

REWRITES = (
    "whole_rewrites",
    "leaf_rewrites",
    "body_rewrites",
    "placeholder_rewrites",
    "pathless_rewrites",
    "text_rewrites",
    "filter_repairs",
    "comparison_rewrites",
)
"""The lists of rewrites that a dialect has."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One habit of identity providers.

    :ivar rewrite: the function that understands it.
    :ivar sent: what is sent.
    :ivar senders: who was seen to send it.
    :ivar meaning: what is made of it.
    :ivar note: what the activity log says then, ``…`` being a place; empty where nothing is said.
    :ivar test: the test that sends it.
    """

    rewrite: Callable[..., Any]
    sent: str
    senders: str
    meaning: str
    note: str
    test: str


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        operations.op_in_any_case,
        '`"op": "Replace"`, with a capital letter',
        "Entra without its flag",
        'the operation `"replace"`',
        'op "…" read as …',
        "test_entra_failure_3_an_op_counts_in_any_case",
    ),
    Deviation(
        values.boolean_from_string,
        '`"active": "False"`',
        "Entra without its flag, OneLogin, Keycloak",
        "`false`, never a string that is true because it isn't empty",
        'string "…" read as … at …',
        "test_entra_failure_1_2_and_34_false_in_any_case_disables",
    ),
    Deviation(
        operations.removal_by_value,
        '`"op": "remove", "path": "members"` with a list of values',
        "Entra without its flag, JumpCloud, authentik",
        "these values are removed, the others stay",
        "remove with values at … read as a removal of these only",
        "test_entra_p44_a_remove_with_values_removes_only_these",
    ),
    Deviation(
        operations.removal_of_empty_element,
        '`phoneNumbers[type eq "work"].value` set to nothing',
        "Entra",
        "the whole element is removed; its type alone says nothing",
        "",
        "test_entra_p18_a_value_is_cleared",
    ),
    Deviation(
        operations.single_value_without_filter,
        '`manager[value eq "…"]`',
        "Entra",
        "the attribute without the filter",
        "filter behind the single value … ignored",
        "test_entra_p33_a_manager_is_cleared_in_four_forms",
    ),
    Deviation(
        operations.without_unchangeable_keys,
        "`schemas` and `meta` in a value without a path",
        "authentik, Rauthy",
        "they are left out; `id` may be there too, if it is that of the resource",
        "schemas and meta in the value ignored",
        "test_okta_failure_6_1_a_path_isnt_required",
    ),
    Deviation(
        others.object_from_json_text,
        "JSON in a string as the value of an operation without a path",
        "scim-for-keycloak",
        "the object that it says",
        "JSON in a string read as an object in an operation without a path",
        "test_provider_7_6_keycloak_sends_json_in_a_string",
    ),
    Deviation(
        base.extension_attributes_at_their_place,
        "`department` or `manager` at the top level",
        "Entra's examples, older clients",
        "the attribute of the enterprise extension, unless the extension says otherwise",
        "… read as …:…",
        "test_entra_failure_45_an_attribute_at_the_wrong_level_finds_its_place",
    ),
    Deviation(
        others.enterprise_extension_from_old_urn,
        "`urn:scim:schemas:extension:enterprise:2.0`",
        "OneLogin",
        "the enterprise extension of RFC 7643",
        "… read as …",
        "test_provider_7_1_onelogin_sends_what_its_template_says",
    ),
    Deviation(
        operations.without_service_made_attributes,
        "`id`, `meta` and `groups` in a body",
        "Okta, OneLogin",
        "they are left out",
        "id, meta and groups in the body ignored",
        "test_okta_failure_6_26_nothing_of_ours_takes_members_away",
    ),
    Deviation(
        okta.without_placeholder_password,
        "a random `password` with each new user",
        "Okta",
        "it is left out, unless `fields.Password` takes placeholders",
        "placeholder in the place of a password ignored",
        "test_oktas_placeholder_is_no_password",
    ),
    Deviation(
        okta.without_stale_formatted_name,
        "the old `name.formatted` beside new parts of the name",
        "Okta",
        "the parts count",
        "name.formatted ignored in favour of the parts of the name",
        "test_okta_payload_3_5_a_profile_is_put",
    ),
    Deviation(
        values.list_from_single_value,
        '`"members": "id"`, `"emails": {…}`',
        "Microsoft's own code, OneLogin",
        "a list of one",
        "single value read as a list at …",
        "test_entra_p48_a_member_may_be_a_string",
    ),
    Deviation(
        values.single_value_from_list,
        '`"manager": [{"value": "…"}]`',
        "Entra's documentation",
        "the only element",
        "list read as its only value at …",
        "test_entra_p30_p30b_p31_and_p32_a_manager_in_any_form",
    ),
    Deviation(
        values.objects_from_plain_values,
        '`"manager": "…"`, `"roles": ["admin"]`',
        "Entra, Okta's template",
        "an object with this `value`",
        "string read as an object with a value at …",
        "test_okta_failure_6_24_roles_may_be_strings",
    ),
    Deviation(
        values.plain_values_from_objects,
        '`[{"value": "1"}]` where an attribute is a list of strings',
        "Entra, for a custom attribute",
        "these values",
        "objects read as their values at …",
        "test_entra_p17_the_values_of_a_custom_attribute_are_added",
    ),
    Deviation(
        values.nothing_from_empty_reference,
        '`"manager": {"value": ""}`',
        "Entra's tests and its validator",
        "there is no manager",
        "empty value read as no value at …",
        "test_entra_failure_9_a_manager_is_cleared_by_emptiness",
    ),
    Deviation(
        values.nothing_from_empty_string,
        '`"title": ""`',
        "Entra's null test, Okta's full push, OneLogin",
        "there is no title",
        "empty string read as no value at …",
        "test_entra_p18_a_value_is_cleared",
    ),
    Deviation(
        values.elements_without_value_dropped,
        '`"emails": [{"primary": false, "value": ""}]`',
        "Okta, for who has no second address",
        "no element",
        "empty element left out at …",
        "test_empty_mapped_values_are_no_values",
    ),
    Deviation(
        values.scalar_from_wrapped_value,
        '`"displayName": [{"$ref": null, "value": "…"}]`',
        "Entra for old Microsoft libraries",
        "the value",
        "object read as its value at …",
        "test_entra_failure_46_a_scalar_may_be_wrapped",
    ),
    Deviation(
        values.roles_from_json_text,
        'a role whose `value` is `"{\\"value\\":\\"25\\",…}"`',
        "Entra, `SingleAppRoleAssignment` and `AppRoleAssignmentsComplex`",
        "the role that the text says",
        "JSON in a string read as an object at …",
        "test_entra_p35_and_p36_json_in_a_string_is_a_role",
    ),
    Deviation(
        values.display_from_display_name,
        "`displayName` of a role",
        "Entra, `AppRoleAssignmentsComplex`",
        "its `display`",
        "displayName read as display at …",
        "test_entra_p7_a_roles_display_name_is_its_display",
    ),
    Deviation(
        filters.without_trailing_junk,
        "a filter that ends in `&`, `;` or `?`",
        "OneLogin",
        "the filter without them",
        "separator at the end of the filter ignored",
        "test_filter",
    ),
    Deviation(
        filters.with_quoted_values,
        "`userName eq jyoung`",
        "an example of Entra's, a version of authentik",
        "a comparison with a string",
        "filter value without quotation marks read as a string",
        "test_provider_7_5_authentik_sends_the_group_back_without_a_path",
    ),
    Deviation(
        filters.with_value_after_bracket,
        '`emails[type eq "work"] eq "…"`',
        "an older edition of Entra's documentation",
        '`emails[type eq "work"].value eq "…"`',
        "comparison with a value path read as one with its value",
        "test_entra_failure_36_a_value_path_is_compared",
    ),
    Deviation(
        filters.reference_by_its_value,
        '`manager eq "…"`, `members eq "…"`',
        "Entra",
        '`manager.value eq "…"`, `members.value eq "…"`',
        "… in a filter read as ….value",
        "test_entra_p1f_a_reference_check_asks_for_a_users_manager",
    ),
    Deviation(
        filters.boolean_compared_as_boolean,
        '`roles[primary eq "True"]`',
        "Entra, for a single role",
        "a comparison with `true`",
        'string "…" read as … in a filter on …',
        "test_entra_p34_a_single_role_is_found_by_the_string_true",
    ),
)
"""Every rewrite of every dialect, once."""
