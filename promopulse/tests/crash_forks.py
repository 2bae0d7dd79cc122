"""A web server whose process is replaced at once when it is killed: `... crash_forks PORT`

The application is loaded once, armed by CRASH_AT, and each process forked from it: a kill costs
milliseconds, where the real server would load it anew and give up when that happens often.
"""

import os
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from promopulse.tests.crash_web import application


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The application logs its requests itself."""


def main(port: int) -> None:
    server = make_server("127.0.0.1", port, application, handler_class=_Quiet)
    while True:
        pid = os.fork()
        if not pid:
            server.serve_forever()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
