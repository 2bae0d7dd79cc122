"""What a refused request looks like."""

from typing import Any


def refused(response: Any, pointer: str | None = None) -> dict[str, Any]:
    """A 422 that names the field."""
    assert response.status_code == 422, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    if pointer is not None:
        pointers = {error["pointer"].partition("#")[0] for error in problem["errors"]}
        assert any(found.startswith(pointer) for found in pointers), problem
    return problem
