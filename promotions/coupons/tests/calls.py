"""What the API tests of coupons share."""

from typing import Any

API = "/api/v1"


def problem(response: Any) -> tuple[int, str, str]:
    """Status, code and words of a refusal."""
    assert response["Content-Type"] == "application/problem+json", response.content
    body = response.json()
    return response.status_code, body["code"], body["detail"]
