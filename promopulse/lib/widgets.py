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


class _Picked:
    """What was picked is called as in the list it was picked from (an admin's `choice_label`).

    What was sent and is no id is not looked up to be shown again.
    """

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        mine: Any = self
        listed = mine.admin_site.get_model_admin(mine.field.remote_field.model)
        if label := getattr(listed, "choice_label", None):
            mine.choices.field.label_from_instance = label
        ids = [one for one in value if not one or whole_id(str(one)) is not None]
        return super().optgroups(name, ids, attr)  # type: ignore[misc]


class AutocompleteOne(_Picked, AutocompleteSelect):
    """A row found as one types."""


class AutocompleteMany(_Picked, AutocompleteSelectMultiple):
    """Rows found as one types."""
