"""Ctrl-C is neither lost nor does it tear anything, and others' handlers are let be."""

import os
import signal
import threading

import pytest

from carlib.interrupts import held, insisted

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGINT to oneself")


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def swallow() -> None:
    """What native code and callbacks of weak references do."""
    try:
        press()
        raise AssertionError("nothing was raised")
    except KeyboardInterrupt:
        pass


@pytest.fixture(autouse=True)
def handler():
    """Each test finds Python's own way, and leaves it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_it_is_raised_at_once_where_nothing_holds_it():
    done = []
    with pytest.raises(KeyboardInterrupt), insisted():
        press()
        done.append("after")
    assert done == []


def test_one_that_was_swallowed_is_raised_at_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), insisted():
        swallow()
        done.append("after")
    assert done == ["after"]


def test_an_error_that_was_made_of_one_is_one():
    with pytest.raises(KeyboardInterrupt) as caught, insisted():
        try:
            press()
        except KeyboardInterrupt:
            raise RuntimeError("Converting input model") from None
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_error_without_one_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), insisted():
        1 / 0  # noqa: B018


def test_held_it_waits_for_the_check():
    done = []
    with pytest.raises(KeyboardInterrupt), held() as check:
        press()
        done.append("held")
        check()
        done.append("after")
    assert done == ["held"]


def test_held_it_waits_no_longer_than_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), held():
        press()
        done.append("held")
    assert done == ["held"]


def test_held_a_second_one_is_raised_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), held():
        press()
        press()
        done.append("after")
    assert done == []


def test_one_swallowed_before_is_raised_by_the_first_check_in_a_block_within():
    done = []
    with pytest.raises(KeyboardInterrupt), insisted():
        swallow()
        with held() as check:
            done.append("within")
            check()
            done.append("after")
    assert done == ["within"]


def test_after_a_block_that_holds_it_is_raised_at_once_again():
    done = []
    with pytest.raises(KeyboardInterrupt), insisted():
        with held():
            pass
        press()
        done.append("after")
    assert done == []


def test_a_new_block_knows_nothing_of_an_earlier_ones():
    with pytest.raises(KeyboardInterrupt), insisted():
        press()
    with insisted(), held() as check:
        check()


def test_somebody_elses_handler_is_let_be():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("theirs"))
    with insisted(), held() as check:
        press()
        check()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard == ["theirs"]


def test_in_another_thread_nothing_is_touched():
    def work() -> None:
        with insisted(), held() as check:
            check()
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_another_thread_is_not_interrupted_by_what_the_main_one_swallowed():
    """Only the main thread is told of Ctrl-C."""

    def work() -> None:
        with held() as check:
            check()
        done.append("worked")

    done = []
    with pytest.raises(KeyboardInterrupt), insisted():
        swallow()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == ["worked"]
