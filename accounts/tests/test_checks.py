"""A start with keys that would lose or weaken personal data is refused."""

import pytest
from django.core.checks import run_checks

from accounts.checks import keys_of_personal_data


def found(settings, **values):
    for name, value in values.items():
        setattr(settings, name, value)
    return {message.id for message in keys_of_personal_data(None)}


def test_good_keys_pass(settings):
    good = {"FERNET_KEYS": ["b", "a"], "BLIND_INDEX_KEY": "c", "SECRET_KEY": "d"}
    assert found(settings, **good) == set()


@pytest.mark.parametrize("keys", [[], None, ["a", ""]])
def test_encryption_needs_its_keys(settings, keys):
    assert found(settings, FERNET_KEYS=keys) == {"accounts.E001"}


def test_the_secret_key_does_not_encrypt(settings):
    assert found(settings, FERNET_KEYS=["new", settings.SECRET_KEY]) == {"accounts.E002"}


def test_the_blind_index_has_a_key_of_its_own(settings):
    assert found(settings, BLIND_INDEX_KEY="") == {"accounts.E003"}
    assert found(settings, FERNET_KEYS=["a", "b"], BLIND_INDEX_KEY="b") == {"accounts.E004"}
    assert found(settings, BLIND_INDEX_KEY=settings.SECRET_KEY) == {"accounts.E004"}


def test_django_runs_them(settings):
    settings.FERNET_KEYS = []
    assert "accounts.E001" in {message.id for message in run_checks()}
