"""An SQS for tests: moto's server as a process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from promopulse.tests.live import free_port, wait_for

START_SECONDS = 60


class FakeSqs:
    """Forgets its queues when it is killed; `start` again answers at the same address."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"sqs://key:secret@127.0.0.1:{self.port}"
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, START_SECONDS, "the fake SQS does not answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def client(self) -> Any:
        return boto3.client(
            "sqs",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    def queues(self) -> dict[str, str]:
        """The URLs of its queues by name."""
        urls = self.client().list_queues().get("QueueUrls", [])
        return {url.rpartition("/")[2]: url for url in urls}

    def attributes(self, queue: str) -> dict[str, str]:
        url = self.queues()[queue]
        found = self.client().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return dict(found["Attributes"])

    def _answers(self) -> bool:
        try:
            self.client().list_queues()
        except BotoCoreError:
            return False
        return True
