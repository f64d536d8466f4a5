"""Each case of the catalogue has one test, and the table tells of all of them."""

import pytest

from tests.faults import table


@pytest.fixture(scope="module")
def found() -> list[table.Case]:
    return table.cases()


def test_the_table_is_up_to_date():
    """Else: python -m tests.faults.table"""
    assert table.README.read_text("utf-8") == table.text()


def test_each_case_has_one_test_or_a_reason_to_wait(found):
    known = [each.case for each in found]
    assert sorted(case for case in known if known.count(case) > 1) == []
    assert sorted(table.expected() - set(known) - table.LATER.keys()) == []
    assert table.LATER.keys() & set(known) == set()
    assert table.LATER.keys() <= table.expected() and all(table.LATER.values())


def test_no_case_is_made_up(found):
    listed = {each.case for each in found if each.case[0] in table.COUNTS}
    assert listed <= table.expected()
    assert {each.case[0] for each in found} <= table.SUBJECTS.keys()


def test_each_test_says_in_a_sentence_what_is_expected(found):
    odd = [
        each.test
        for each in found
        if not (each.expectation.endswith(".") and len(each.expectation) <= 90)
    ]
    assert odd == []


def test_no_two_tests_expect_the_same(found):
    said = [each.expectation for each in found]
    assert sorted(text for text in said if said.count(text) > 1) == []
