"""DRF's parser over strict JSON."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from promopulse.lib.strict_json import Unreadable, read_json


class StrictJSONParser(JSONParser):
    """DRF's JSON parser over `read_json`."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return read_json(stream.read())
        except Unreadable as error:
            raise ParseError(str(error)) from None
