"""Where configuration comes from, and the secrets that are made when none is given."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from promopulse import environment
from promopulse.launcher import secrets, steps


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMOPULSE_HOME", str(tmp_path))
    for name in secrets.NAMES:
        monkeypatch.delenv(name)
    return tmp_path


def test_a_file_fills_gaps_and_never_overrides(home, monkeypatch):
    hand_written = home / "hand.env"
    hand_written.write_text("PP_GIVEN=file\nPP_GAP=hand\n")
    (home / "env").write_text("PP_GAP=launcher\nPP_LAST=launcher\n")
    monkeypatch.setenv("PROMOPULSE_ENV_FILE", str(hand_written))
    monkeypatch.setenv("PP_GIVEN", "process")
    for name in ("PP_GAP", "PP_LAST"):
        monkeypatch.setenv(name, "")  # so that the test's end removes what load() sets
        monkeypatch.delenv(name)

    environment.load()

    assert [os.environ[name] for name in ("PP_GIVEN", "PP_GAP", "PP_LAST")] == [
        "process",
        "hand",
        "launcher",
    ]


def test_an_empty_variable_is_a_gap(home, monkeypatch):
    """Compose passes on what is not set as empty."""
    (home / "env").write_text("PP_GAP=launcher\n")
    monkeypatch.setenv("PP_GAP", "")
    environment.load()
    assert os.environ["PP_GAP"] == "launcher"


def test_the_file_may_be_written_as_people_write_it():
    text = """
    # a comment
    PLAIN=one two   # and why
    export EXPORTED = yes
    QUOTED="a # b"
    SINGLE='c "d"'
    URL=postgresql://promo@/promo?host=/a%20b
    EMPTY=
    """
    assert environment.parse(text) == {
        "PLAIN": "one two",
        "EXPORTED": "yes",
        "QUOTED": "a # b",
        "SINGLE": 'c "d"',
        "URL": "postgresql://promo@/promo?host=/a%20b",
        "EMPTY": "",
    }


def test_a_line_that_says_nothing_is_refused(tmp_path):
    file = tmp_path / "mistyped.env"
    file.write_text("DEBUG=1\nREDIS_URL\n")
    with pytest.raises(ValueError, match=r"mistyped\.env: line 2"):
        environment.overlay(file)


def test_what_is_rendered_is_read_back():
    variables = {"A": "unix:///a b/v.sock", "B": "x=y#z"}
    assert environment.parse(environment.render(variables)) == variables


def test_secrets_are_made_once(home):
    first = secrets.ensure(home, demo=True)
    assert set(first) == {*secrets.NAMES, "DEMO_API_KEY"}
    assert len(set(first.values())) == len(first)
    assert secrets.ensure(home, demo=True) == first


def test_secrets_are_private(home):
    steps.prepare_environment(home, {"REDIS_URL": "unix:///x"})
    for path in [home / "env", *(home / "secrets").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((home / "secrets").stat().st_mode) == 0o700
    assert {path.name for path in (home / "secrets").iterdir()} == set(secrets.NAMES)


def test_processes_that_start_at_once_agree_on_the_secrets(home):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: secrets.ensure(home), range(16)))
    assert all(one == made[0] for one in made)


def test_a_given_secret_is_neither_made_nor_written_down(home, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "from-a-vault")
    made = steps.prepare_environment(home, {})
    assert "SECRET_KEY" not in made
    assert not (home / "secrets" / "SECRET_KEY").exists()
    assert "SECRET_KEY" not in (home / "env").read_text()


def test_the_demo_key_has_the_shape_of_an_api_key(home):
    key = secrets.ensure(home, demo=True)["DEMO_API_KEY"]
    word, prefix, secret = key.split("_")
    assert (word, len(prefix), len(secret)) == ("pp", 12, 43)
    assert (prefix + secret).isalnum()


def test_a_later_start_keeps_the_noted_urls_it_does_not_replace(home, monkeypatch):
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    steps.prepare_environment(home, {"DATABASE_URL": "postgresql://a", "REDIS_URL": "unix:///b"})
    steps.prepare_environment(home, {"REDIS_URL": "unix:///c"})
    noted = environment.parse((home / "env").read_text())
    assert (noted["DATABASE_URL"], noted["REDIS_URL"]) == ("postgresql://a", "unix:///c")
