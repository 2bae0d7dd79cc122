"""A code as a QR code, to be shown or printed."""

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString

_QUIET_ZONE = 4  # modules of white around it, as its standard wants


def drawn(code: str, *, is_named: bool = False) -> SafeString:
    """SVG that says nothing but the code itself. Unless `is_named` for those who do not see it, the
    code stands beside it in words."""
    made = segno.make_qr(code, error="m")
    svg = made.svg_inline(border=_QUIET_ZONE, svgclass=None, omitsize=True)
    name = 'role="img" aria-label="QR code of {}"' if is_named else 'aria-hidden="true"'
    return SafeString(svg.replace("<svg", f"<svg {format_html(name, code)}", 1))
