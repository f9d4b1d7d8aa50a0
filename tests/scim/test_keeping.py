"""What is kept of a client's texts is bounded by their length and their number."""

from flask_scim_provisioning.scim.keeping import LONGEST_KEPT, MOST_KEPT, kept


def test_what_is_made_of_a_short_text_is_made_once():
    made = []
    make = kept(lambda text: made.append(text) or len(text))
    assert [make("ab"), make("ab")] == [2, 2]
    assert made == ["ab"]


def test_what_is_made_of_a_long_text_is_forgotten():
    made = []
    make = kept(made.append)
    for _ in range(2):
        make("x" * LONGEST_KEPT)
        make("x" * (LONGEST_KEPT + 1))
    assert list(map(len, made)) == [LONGEST_KEPT, LONGEST_KEPT + 1, LONGEST_KEPT + 1]


def test_the_texts_that_were_not_met_again_make_room():
    made = []
    make = kept(made.append)
    for number in range(MOST_KEPT + 1):
        make(str(number))
    make("0")
    assert made[-1] == "0"
