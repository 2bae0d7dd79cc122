"""Clients that go on whatever happens: senders that repeat until acknowledged, and a reader."""

import http.client
import json
import threading
import time
from typing import NamedTuple

from engagement.tests.chaos import INGEST
from promopulse.tests.live import API_KEY

SENDERS = 4
READS = ("/health/ready", "/api/v1/promotions")
PAUSE_SECONDS = 0.05


class Answer(NamedTuple):
    at: float
    status: int  # 0: the connection broke
    seconds: float
    retry_after: str | None


class Traffic:
    """Sends events, one a request, from several clients; another reads. Until the block ends."""

    def __init__(self, instance, make):
        self.instance = instance
        self.sent = 0
        self.answers = []
        self.reads = []
        self._make = make
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        self._threads.append(threading.Thread(target=self._read))

    def __enter__(self):
        for _ in range(10):  # each process of the server has read once
            for path in READS:
                self._request("GET", path)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def slowest(self):
        return max(answer.seconds for answer in self.answers)

    def statuses(self, since=0.0):
        return {answer.status for answer in self.answers if answer.at >= since}

    def _send(self):
        pending = None
        while pending or not self._stop.is_set():
            with self._lock:
                pending = pending or self._make(1)[0]
            answer = self._request("POST", INGEST, json.dumps(pending))
            self.answers.append(answer)
            if answer.status in (200, 202):
                with self._lock:
                    self.sent += 1
                pending = None
            time.sleep(PAUSE_SECONDS)

    def _read(self):
        while not self._stop.is_set():
            for path in READS:
                self.reads.append(self._request("GET", path))
                time.sleep(PAUSE_SECONDS)

    def _request(self, method, path, body=None):
        started = time.monotonic()
        status, retry_after = 0, None
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.instance.port, timeout=30)
            headers = {"Authorization": f"Api-Key {API_KEY}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
            status, retry_after = response.status, response.headers.get("Retry-After")
            connection.close()
        except OSError:
            pass
        return Answer(started, status, time.monotonic() - started, retry_after)
