"""What the importers share: reading rows, columns and values, ids, progress, the report.

Knows no app. An importer is an object with `take(rows)` and `finish()`; `command.ImportCommand`
reads the file and feeds it.
"""
