"""The theme's form widgets under our own names, so that the theme can be dropped in one place."""

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget as AmountInput,
)
from unfold.widgets import (
    UnfoldAdminFileFieldWidget as FileInput,
)
from unfold.widgets import (
    UnfoldAdminSelect2Widget as SearchSelect,
)
from unfold.widgets import (
    UnfoldAdminSelectWidget as Select,
)
from unfold.widgets import (
    UnfoldAdminSplitDateTimeWidget as SplitMomentInput,
)
from unfold.widgets import (
    UnfoldAdminTextareaWidget as TextArea,
)
from unfold.widgets import (
    UnfoldAdminTextInputWidget as TextInput,
)

from promopulse.lib.admin import whole_id

__all__ = [
    "AmountInput",
    "AutocompleteMany",
    "AutocompleteOne",
    "FileInput",
    "SearchSelect",
    "Select",
    "SplitMomentInput",
    "TextArea",
    "TextInput",
]


class _OnlyIds:
    """What was sent and is no id is not looked up to be shown again."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        ids = [one for one in value if not one or whole_id(str(one)) is not None]
        return super().optgroups(name, ids, attr)  # type: ignore[misc]


class AutocompleteOne(_OnlyIds, AutocompleteSelect):
    """A row found as one types."""


class AutocompleteMany(_OnlyIds, AutocompleteSelectMultiple):
    """Rows found as one types."""
