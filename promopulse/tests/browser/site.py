"""The site that browser tests look at: a whole instance with the demo world in it."""

from pathlib import Path

from promopulse.tests.live import Instance

PASSWORDS = {"admin": "admin123"}
PASSWORD = "demo123"


def email_of(person: str) -> str:
    return f"{person}@example.com"


def password_of(person: str) -> str:
    return PASSWORDS.get(person, PASSWORD)


def start(home: Path) -> Instance:
    """Web, worker and beat on durable servers, as `make run` has them; nothing is mocked."""
    instance = Instance(home)
    instance.env |= {"DEMO": "1", "RATE_LIMITS": "off"}
    instance.manage("migrate")
    instance.manage("collectstatic", "--noinput", "-v", "0")
    instance.make_key()
    instance.manage("demo")
    for name in ("web", "worker", "beat"):
        instance.start(name)
    return instance
