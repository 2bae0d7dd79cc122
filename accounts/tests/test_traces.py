"""What counts as showing a person in a stored answer."""

import json

import pytest

from accounts.traces import Person, shows

ANN = Person(7, name="Ann Lee", email="ann@example.com", phone="+49 151 1", source_id="shop:7")


@pytest.mark.parametrize(
    "answer",
    [
        {"id": 7, "email": "a***n@e***.com", "full_name": "somebody"},
        {"results": [{"user": {"id": 7, "email": None}}]},
        {"unknown": ["ANN@example.com"]},
        {"detail": "call +49 151 1 now"},
        {"id": 1, "user_id": 7, "metadata": {"size": "XL"}},
        {"id": 1, "customer_id": 7, "label": "Ann Lee"},
        {"assigned_to": 7, "whose": "shop:7"},
        [[{"a": [{"user_id": 7, "metadata": {"x": 1}}]}]],
    ],
)
def test_answers_that_show_her(answer):
    assert shows(json.dumps(answer), ANN)


@pytest.mark.parametrize(
    "answer",
    [
        {"id": 7, "name": "a promotion"},
        {"id": 70, "email": "other@example.com", "full_name": "Ann Lee"},
        {"id": 1, "user_id": 7, "metadata": {}, "amount": "5.00"},
        {"id": 1, "user_id": 70, "metadata": {"x": 1}},
        {"count": 7, "results": ["Ann Lee"]},
        [],
        None,
    ],
)
def test_answers_that_do_not(answer):
    assert not shows(json.dumps(answer), ANN)


def test_text_that_is_no_json():
    assert shows("code,email\n1,ann@example.com\n", ANN)
    assert not shows("code,user\n1,7\n", ANN)


def test_who_is_erased_already_is_known_by_id_alone():
    assert shows('{"id": 7, "email": null}', Person(7))
    assert not shows('{"detail": "", "user_id": 7, "name": ""}', Person(7, name=""))
