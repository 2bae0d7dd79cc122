"""What higher apps add to the pages of promotions: they know this app, it does not know them.

Each adds to these lists when its admin is loaded. `previews.warners` is their place for warnings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter
from django.http import HttpRequest
from django.urls import URLPattern

from promopulse.lib.admin.panels import Panel
from promotions.models import Promotion

# More facts of the preview of a move: the move's name and the promotion in; names and values out.
move_facts: list[Callable[[str, Promotion], list[tuple[str, Any]]]] = []

# What a promotion gives, in plain words: promotions in, sentences by promotion id out.
sentences: list[Callable[[Sequence[Promotion]], Mapping[int, str]]] = []

# How many have opted in, in words: promotions in, by promotion id out.
opt_ins: list[Callable[[Sequence[Promotion]], Mapping[int, str]]] = []

# More ways to narrow the list of promotions down.
filters: list[type[SimpleListFilter]] = []


@dataclass(frozen=True)
class FormPart:
    """Fields in the form of a draft, with names of their own.

    `save` gets the promotion and its fields' values, in the form's transaction, whenever one of
    them was changed; what it refuses becomes an error of the form.
    """

    title: str
    fields: Callable[[], dict[str, forms.Field]]
    initial: Callable[[Promotion], Mapping[str, Any]]
    save: Callable[[Promotion, Mapping[str, Any]], object]


form_parts: list[FormPart] = []


# Parts of the tabs of a promotion's page.
panels: list[Panel] = []

# More that can be done from a promotion's page: words and address.
buttons: list[Callable[[HttpRequest, Promotion], list[tuple[str, str]]]] = []

# More addresses below that of the promotions' list; the admin of promotions in.
urls: list[Callable[[Any], list[URLPattern]]] = []
