"""Reading rows in every form, and turning their values and ids into ours."""

import gzip
import io
import json
import tracemalloc
from types import SimpleNamespace

import pytest

from promopulse.lib.errors import Invalid
from promopulse.lib.importing import columns
from promopulse.lib.importing.columns import Columns
from promopulse.lib.importing.ids import Ids
from promopulse.lib.importing.reading import BadRow, Source
from promopulse.lib.importing.reporting import Report

ROWS = [{"id": 1, "name": 'Ä, "b"'}, {"id": 2, "name": "c"}]


def read(path):
    with Source(str(path)) as source:
        return [tuple(row) for row in source]


def write(folder, name, data):
    path = folder / name
    data = data if isinstance(data, bytes) else data.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


NDJSON = "\n".join(json.dumps(row) for row in ROWS) + "\n"
CSV = 'id,name\n1,"Ä, ""b"""\n2,c\n'


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.json", json.dumps(ROWS)),
        ("rows.json", "\n " + json.dumps(ROWS, indent=2)),
        ("rows.ndjson", NDJSON),
        ("rows.json", NDJSON.replace("\n", "\r\n\n")),
        ("rows", NDJSON.rstrip()),
        ("rows.csv", CSV),
        ("rows", CSV.replace("\n", "\r\n")),
        ("rows.csv", CSV.replace(",", ";").replace("Ä;", "Ä,")),
    ],
)
def test_one_content_in_many_forms(tmp_path, name, text, bom, suffix):
    rows = [values for _, values in read(write(tmp_path, name + suffix, bom + text))]
    assert [{"id": int(row["id"]), "name": row["name"]} for row in rows] == ROWS


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b"[{}]"))))
    assert read("-") == [(1, {})]


def test_empty_files_have_no_rows(tmp_path):
    for text in ("", "\n", "[]", " [ ] "):
        assert read(write(tmp_path, "rows", text)) == []


def lines(path):
    return [(row[0], row[1] if len(row) == 3 else "ok") for row in read(path)]


def test_a_bad_line_sinks_no_other(tmp_path):
    deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    bad = ["{", "[1]", "3", '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', deep]
    text = "\n".join(['{"n": 1}', *bad, '{"n": 2}']).encode() + b'\n{"a": "\xff"}\n'
    expected = [(1, "ok"), *((n, "malformed") for n in range(2, 9)), (9, "ok"), (10, "malformed")]
    assert lines(write(tmp_path, "rows.ndjson", text)) == expected


def test_a_bad_cell_sinks_one_row(tmp_path):
    text = b'id,name\n1,a\n2\n3,b,c\n4,\xff\n5,\x00\n\n7,"two\nlines"\n9,z\n'
    assert lines(write(tmp_path, "rows.csv", text)) == [
        (2, "ok"),
        (3, "malformed"),
        (4, "malformed"),
        (5, "malformed"),
        (6, "malformed"),
        (8, "ok"),
        (10, "ok"),
    ]


def test_elements_of_an_array_have_their_lines(tmp_path):
    text = '[\n {"a": 1},\n {"a":\n  [2]}, 3,\n {"a": NaN}, {"a": 4}\n]'
    assert lines(write(tmp_path, "rows.json", text)) == [
        (2, "ok"),
        (3, "ok"),
        (4, "malformed"),
        (5, "malformed"),
        (5, "ok"),
    ]


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a"', '[{"a": 1}', '[{"a": 1}, ', '[{"a": 1}; {}]'])
def test_a_broken_array_keeps_what_came_before(tmp_path, text):
    assert lines(write(tmp_path, "rows.json", text)) == [(1, "ok"), (1, "malformed")]


def test_a_cut_gzip_file_keeps_what_came_before(tmp_path):
    path = tmp_path / "rows.ndjson.gz"
    numbers = "".join(f'{{"n": {n}, "text": "{n**9:x}"}}\n' for n in range(20_000))
    path.write_bytes(gzip.compress(numbers.encode())[:-2_000])
    rows = read(path)
    assert rows[-1][1] == "truncated"
    assert len(rows) > 10_000


def test_an_element_longer_than_a_chunk(tmp_path):
    row = {"text": "ä" * 300_000}
    assert read(write(tmp_path, "rows.json", json.dumps([row, row]))) == [(1, row), (1, row)]


@pytest.mark.parametrize("ends", [('[{"n":1}', ',{"n":1}', "]"), ("", '{"n":1}\n', "")])
def test_memory_does_not_grow_with_the_file(tmp_path, ends):
    path = tmp_path / "rows.json"
    path.write_text(ends[0] + ends[1] * 120_000 + ends[2])
    tracemalloc.start()
    with Source(str(path)) as source:
        count = sum(1 for row in source if not isinstance(row, BadRow))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count >= 120_000
    assert peak < 500_000 < path.stat().st_size


def test_columns_are_fields_or_metadata():
    split = Columns({"user_id", "at"}, {"segment": "user_id"}).split
    values = {"segment": 3, "at": None, "row": 7, "empty": None, "metadata": {"row": 1, "b": 2}}
    assert split(values) == ({"user_id": 3}, {"row": 7, "b": 2})
    assert split({"metadata": '{"a": 1}'}) == ({}, {"a": 1})
    with pytest.raises(Invalid, match="Two columns"):
        split({"segment": 3, "user_id": 4})
    split = Columns({"user_id"}, {"segment": "customer_id"}, {"customer_id": "user_id"}).split
    assert split({"segment": 3}) == split({"customer_id": 3}) == ({"user_id": 3}, {})
    for wrong in ("{", "[]", 3, "\ud800"):
        with pytest.raises(Invalid, match="JSON object"):
            split({"metadata": wrong})


def test_what_is_said_of_a_field_names_the_column_of_the_file():
    renamed = Columns({"user_id", "at"}, {"segment": "user_id"}, {"customer_id": "user_id"})
    report = Report(())
    report.speak_of(renamed)
    wrong = Invalid("user_id", "An id is expected.")
    report.refused(1, wrong)
    for number, column in enumerate(("segment", "user_id"), 2):
        renamed.split({column: "x", "at": 1})
        report.refused(number, wrong)
    assert report.outcome(3).words.splitlines()[:3] == [
        "line 1: user_id: An id is expected. (invalid)",
        "line 2: segment: An id is expected. (invalid)",
        "line 3: user_id: An id is expected. (invalid)",  # by now it has two names
    ]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 row: 1 accepted, 1 duplicate, 0 failed, 1 user created, 1 conflict"),
        (2, "2 rows: 2 accepted, 2 duplicates, 0 failed, 2 users created, 2 conflicts"),
    ],
)
def test_one_is_not_told_as_many(count, told):
    report = Report(("accepted", "duplicates"))
    for name in ("accepted", "duplicates", "users_created", "conflicts"):
        report.count(name, count)
    assert report.outcome(count).lines == [told]


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (columns.as_id, {7: 7, "7": 7}, [0, -1, True, 1.0, "x", "", None, 2**63, "²", [1]]),
        (columns.as_flag, {True: True, "False": False, "1": True}, [1.5, "maybe", None, []]),
        (
            columns.as_time,
            {"2026-05-01T09:00:00+02:00": "2026-05-01T07:00:00+00:00"},
            ["2026-05-01T09:00:00", "2026-05-01", "x", 3, None, "0001-01-01T00:00:00+14:00"],
        ),
        (
            lambda field, value: columns.as_text(field, value, 3),
            {" ab ": "ab", 12: "12"},
            ["abcd", 1.5, True, None, []],
        ),
    ],
)
def test_values(read, good, bad):
    for given, expected in good.items():
        found = read("x", given)
        assert (found.isoformat() if hasattr(found, "isoformat") else found) == expected
    for given in bad:
        with pytest.raises(Invalid) as refused:
            read("x", given)
        assert refused.value.errors[0]["pointer"] == "/x"


def test_ids_go_through_the_source():
    asked = []

    def fetch(texts):
        asked.append(texts)
        return [(text, 100) for text in texts if text == "shop:1"]

    ids = Ids("user_id", "shop", fetch=fetch)
    ids.prepare([1, "1", 2, None, True, 1.5, [], "x" * 200])
    assert ids.of(1) == ids.of("1") == 100
    for unknown in (2, None, True, 1.5, [], "x" * 200, ""):
        with pytest.raises(Invalid):
            ids.of(unknown)
    ids.prepare([1, 2])
    assert asked == [["shop:1", "shop:2"], ["shop:2"]]


def test_missing_ids_are_made_where_allowed():
    ids = Ids("user_id", "shop", fetch=lambda texts: [], make=lambda texts: [(texts[0], 5)])
    ids.prepare([9])
    assert ids.of(9) == 5
    assert ids.made == 1


def test_without_a_source_ids_are_ours():
    ids = Ids("user_id", None, fetch=lambda texts: pytest.fail("asked"))
    ids.prepare([3, "4"])
    assert (ids.of(3), ids.of("4")) == (3, 4)
    with pytest.raises(Invalid):
        ids.of("shop:3")
