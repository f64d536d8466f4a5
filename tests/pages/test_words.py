"""Figures in words."""

import pytest

from carlib.pages import words


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0"), (1, "1" + "00"), (0.846, "85"), (0.9996, "99.9"), (0.997, "99.7")]
    + [(0.001, "0.1"), (0.00001, "0.1")],
)
def test_what_is_not_all_or_none_never_reads_as_such(share, told):
    assert words.of_100(share) == told


def test_counts_and_lists_read_like_sentences():
    assert words.counted(1, "photo") == "1 photo"
    assert words.counted(1210, "photo") == "1,210 photos"
    assert words.listed(["a"]) == "a"
    assert words.listed([]) == ""
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_intervals_are_told_of_100():
    assert words.between((0.741, 0.8599)) == "between 74 and 86"
    assert words.to((0.741, 1)) == "74 to 100"
