"""What tests of explanations share."""

import pytest

from tests.explain.models import fitted


@pytest.fixture(scope="session")
def joined(few, backbone, random, workspace):
    """Two backbones and mirror images, standardised, with l2 and class weights."""
    return fitted(few, [backbone, random], workspace)
