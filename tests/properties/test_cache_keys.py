"""A photo's key in the cache stands for its content, and for nothing else."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carlib.data.photos import mirrored_key, photo_key

FEW = settings(max_examples=100, deadline=None, derandomize=True)
PIXELS = arrays.arrays(
    np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=4)
)
CONTENTS = st.binary(max_size=40) | PIXELS


def is_same(first, second) -> bool:
    if type(first) is not type(second):
        return False
    return np.shape(first) == np.shape(second) and bool(np.all(first == second))


@FEW
@given(CONTENTS, CONTENTS)
def test_keys_are_the_same_where_contents_are_and_only_there(first, second):
    assert (photo_key(first) == photo_key(second)) == is_same(first, second)


@FEW
@given(st.binary(min_size=1, max_size=40), st.data())
def test_one_changed_bit_is_another_photo(content, data):
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(
        st.sampled_from([1 << bit for bit in range(8)])
    )
    assert photo_key(bytes(changed)) != photo_key(content)


@FEW
@given(PIXELS)
def test_the_same_numbers_in_another_shape_are_another_photo(pixels):
    turned = pixels.reshape(pixels.shape[::-1])
    assume(turned.shape != pixels.shape)
    assert photo_key(turned) != photo_key(pixels)


@FEW
@given(PIXELS)
def test_how_pixels_lie_in_memory_does_not_matter(pixels):
    assert photo_key(np.asfortranarray(pixels)) == photo_key(pixels)
    assert photo_key(np.repeat(pixels, 2, axis=1)[:, ::2]) == photo_key(pixels)
    assert photo_key(pixels.tobytes()) != photo_key(pixels)


@FEW
@given(CONTENTS, CONTENTS)
def test_a_mirror_image_is_none_of_the_photos(first, second):
    keys = {photo_key(first), photo_key(second)}
    mirrored = {mirrored_key(key) for key in keys}
    assert len(mirrored) == len(keys) and not keys & mirrored
    assert not mirrored & {mirrored_key(key) for key in mirrored}
    assert {len(key) for key in keys | mirrored} == {32}
