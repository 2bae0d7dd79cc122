"""A web server that comes to harm at a named place: the WSGI application, armed by CRASH_AT."""

import os

from promopulse.tests.crash import arm
from promopulse.wsgi import application

arm(os.environ["CRASH_AT"], parent=os.getppid())

__all__ = ["application"]
