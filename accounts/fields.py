"""Encrypted columns: django-fernet-fields-v2 behind a guard against silent data loss.

The library encrypts whatever it is given, also the text of an SQL expression:
`update(phone=F("x"))` and `bulk_update()` would store the expression's repr. The guard lets
through only values.
"""

from typing import Any

import fernet_fields
from django.core.exceptions import FieldError
from django.db.models import Case, Value
from django.db.models.functions import Cast
from fernet_fields.fields import EncryptedField


class _NoRawExpressions:
    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if not hasattr(value, "as_sql"):
            return super().get_db_prep_save(value, connection)  # type: ignore[misc]
        # bulk_update() sends a CASE of values that are bound to this field: those are encrypted.
        case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
        if isinstance(case, Case) and all(_is_value_of_field(when.result) for when in case.cases):
            return value
        raise FieldError(f"{self.name}: an SQL expression cannot be encrypted")  # type: ignore[attr-defined]


def _is_value_of_field(expression: Any) -> bool:
    return isinstance(expression, Value) and isinstance(
        getattr(expression, "_output_field_or_none", None), EncryptedField
    )


class EncryptedText(_NoRawExpressions, fernet_fields.EncryptedTextField):
    """Text, encrypted at rest; cannot be searched or ordered."""


class EncryptedEmail(_NoRawExpressions, fernet_fields.EncryptedEmailField):
    """An e-mail address, encrypted at rest; found through a blind index beside it."""
