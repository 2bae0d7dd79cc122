"""Two ways to hand bulk events over: through the public door, or to ingest itself.

Both take an NDJSON body and give what became of its events; both are safe to repeat, since an
event id counts once.
"""

import threading
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import msgspec

from engagement import ingest
from promopulse.lib.importing.command import Broken

ROUTE = "/api/v1/events/ingest"
TIMEOUT_SECONDS = 60
TRIES = 10
MOST_PATIENCE_SECONDS = 30.0
_BUSY = frozenset({429, 502, 503, 504})

_decode = msgspec.json.Decoder(ingest.Outcome).decode


class _Problem(msgspec.Struct):
    """What is read of a problem document."""

    detail: str = ""


class DirectSender:
    """Ingest in this process; no server is needed."""

    parallel = 1

    def __call__(self, body: bytes) -> ingest.Outcome:
        return ingest.ingest_body(body, ndjson=True)

    def close(self) -> None:
        """Nothing is open."""


class HttpSender:
    """POST to a running server, on one kept connection per thread.

    A busy server and a broken connection are waited for, then the body is sent again.
    """

    parallel = 2

    def __init__(self, url: str, key: str) -> None:
        """Raises ValueError for an address that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no http or https address")
        self.url = url
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + ROUTE
        self._headers = {
            "Authorization": f"Api-Key {key}",
            "Content-Type": "application/x-ndjson",
        }
        self._own = threading.local()
        self._closed = threading.Event()

    def __call__(self, body: bytes) -> ingest.Outcome:
        """Raises Broken when the server refuses or stays away."""
        trouble = ""
        for attempt in range(TRIES):
            patience = min(0.1 * 2**attempt, 5.0)
            try:
                status, answer, retry_after = self._post(body)
            except (HTTPException, OSError) as error:
                self._hang_up()
                trouble = f"{self.url} does not answer: {error or type(error).__name__}"
            else:
                if status in (200, 202):
                    return _decode(answer)
                trouble = f"{self.url} answers {status}: {_words(answer)}"
                if status not in _BUSY:
                    raise Broken(trouble)
                if retry_after.isdigit():
                    patience = min(float(retry_after), MOST_PATIENCE_SECONDS)
            if self._closed.wait(patience):
                break
        raise Broken(trouble)

    def close(self) -> None:
        self._closed.set()

    def _post(self, body: bytes) -> tuple[int, bytes, str]:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._connect(self._host, self._port, timeout=TIMEOUT_SECONDS)
            self._own.connection = connection
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("Retry-After") or ""

    def _hang_up(self) -> None:
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
            self._own.connection = None


def _words(answer: bytes) -> str:
    """The detail of a problem document; another server's page is not repeated."""
    try:
        return msgspec.json.decode(answer, type=_Problem).detail or "no detail"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "no problem document; is this PromoPulse?"
