"""The API's description: built once in a process, sent once to who keeps it."""

from threading import Barrier, Thread

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator

from accounts.tests.factories import UserFactory
from accounts.tokens import access_token
from promopulse import schema


@pytest.fixture
def builds(monkeypatch):
    """How often the schema was built; nothing is kept from before."""
    built = []
    really = SchemaGenerator.get_schema

    def counting(self, *args, **kwargs):
        built.append(1)
        return really(self, *args, **kwargs)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counting)
    schema._built.cache_clear()
    schema._written.cache_clear()
    return built


def test_it_is_built_once_in_whatever_notation(client, builds):
    plain = [client.get("/api/schema", headers={"accept": "application/yaml"}) for _ in range(2)]
    as_json = client.get("/api/schema?format=json")
    assert len(builds) == 1
    assert plain[0].content == plain[1].content
    assert yaml.safe_load(plain[0].content) == as_json.json()
    assert plain[0]["ETag"] != as_json["ETag"]
    assert "Accept" in plain[0]["Vary"]


def test_it_is_built_once_for_those_who_ask_at_once(client, builds):
    barrier = Barrier(4)

    def ask():
        barrier.wait()
        client.get("/api/schema")

    asking = [Thread(target=ask) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(builds) == 1


def test_every_operation_has_a_summary_and_every_tag_says_what_it_is_about(client):
    described = client.get("/api/schema?format=json").json()
    operations = [one for path in described["paths"].values() for one in path.values()]
    assert [one["operationId"] for one in operations if not one.get("summary")] == []
    used = {tag for one in operations for tag in one["tags"]}
    assert {tag["name"] for tag in described["tags"] if tag["description"]} == used


@pytest.mark.django_db
def test_the_index_leads_to_the_documents_and_to_every_list(client):
    index = client.get("/api/v1/").json()
    assert index == client.get("/api/v1").json()
    described = client.get("/api/schema?format=json").json()
    about = described["info"]
    assert (index["name"], index["version"]) == (about["title"], about["version"])
    for name in ("docs", "redoc", "schema"):
        assert client.get(index[name]).status_code == 200
    lists = [
        path.removeprefix("/api/v1/")
        for path, methods in described["paths"].items()
        if path.count("/") == 3 and "get" in methods and "{" not in path
    ]
    assert lists
    assert index["resources"] == {name: f"http://testserver/api/v1/{name}" for name in lists}
    admin = UserFactory(role="admin")
    for name, address in index["resources"].items():
        asked = client.get(address, headers={"authorization": f"Bearer {access_token(admin)}"})
        assert asked.status_code in (200, 422), name  # of subscriptions one says whose


def test_who_has_it_is_told_so(client):
    first = client.get("/api/schema")
    again = client.get("/api/schema", headers={"if-none-match": first["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""
    assert client.get("/api/schema", headers={"if-none-match": '"other"'}).status_code == 200
