"""A web server that dies at a named place: the WSGI application, armed by CRASH_AT."""

import os

from promopulse.tests.crash import arm
from promopulse.wsgi import application

arm(os.environ["CRASH_AT"])

__all__ = ["application"]
