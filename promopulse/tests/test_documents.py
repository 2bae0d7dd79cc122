"""What the documents point to is there."""

import re
from functools import cache
from pathlib import Path

import pytest

from promopulse.environment import PROJECT

LINK = re.compile(r"\[([^]]*)]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted(
    path
    for path in PROJECT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(PROJECT).parts)
)


def links(document: Path) -> list[tuple[str, str]]:
    """The words and the address of each link that stays in this project."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    return [(words, to) for words, to in LINK.findall(text) if ":" not in to]


@cache
def anchors(document: Path) -> set[str]:
    """The headings of a document as its links name them."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_somewhere(document):
    dead = []
    for words, to in links(document):
        name, _, anchor = to.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(f"[{words}]({to})")
    assert not dead


def test_each_guarantee_of_the_readme_names_tests_that_are_there():
    readme = PROJECT / "README.md"
    missing, seen = [], 0
    for words, to in links(readme):
        for name in re.findall(r"`(test_\w+)`", words):
            seen += 1
            if f"def {name}(" not in (PROJECT / to).read_text(encoding="utf-8"):
                missing.append(f"{name} in {to}")
    assert not missing
    assert seen > 15
