"""Garbage collection is paused for a session, and left as it was found."""

import gc

import pytest

from rrweb_tokenizer.collection import paused_collection


@pytest.mark.parametrize("was_enabled", [True, False])
def test_collection_is_off_within_and_as_before_afterwards(was_enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if was_enabled else gc.disable)()
        with paused_collection():
            with paused_collection():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() is was_enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_collection_comes_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="inside"), paused_collection():
        raise ValueError("inside")
    assert gc.isenabled()
