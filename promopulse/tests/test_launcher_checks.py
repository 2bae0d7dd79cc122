"""What `make check` says about lock files."""

from promopulse.launcher import checks


def test_a_pin_that_was_not_locked_is_told_with_its_cure(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("# why\ndjango==5.3\nredis[hiredis]==8.1.0\n")
    (tmp_path / "requirements.lock").write_text("django==5.2 \\\n    --hash=x\nredis==8.1.0 \\\n")
    monkeypatch.setattr(checks, "PROJECT", tmp_path)
    assert checks._locks() == "django==5.3 is not in requirements.lock: make lock"


def test_our_own_locks_are_up_to_date():
    assert checks._locks() == ""
