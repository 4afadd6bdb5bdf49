"""The line of every key, whatever stands between."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gitsync.config.lines import line_of, locate

TEXT = '''\
# a comment = "with" [brackets]
[machine]
id = "1"   # not = a key

  name = """several
id = lines
[not.a.table]"""
role = \'\'\'x # y
z\'\'\'

[[agents]]
name = "a"
types = [
  "x", # ]
  "y=z",
]
env = { A = "1", B = "]}" }
[[agents]]
name = "b"
kind = "http"
[agents.env]
C = "2"
[routes]
"quoted key" = ["a"]
dotted.key = 1
last = "x\\"y"'''


def test_each_key_is_on_its_line() -> None:
    tomllib.loads(TEXT)
    places = locate(TEXT)
    lines = TEXT.split("\n")
    assert places["machine",] == 2
    assert lines[places["machine", "id"] - 1].startswith("id")
    assert lines[places["machine", "role"] - 1].startswith("role")
    assert lines[places["agents", 0, "env"] - 1].startswith("env")
    assert lines[places["agents", 1] - 1] == "[[agents]]"
    assert places["agents", 1] > places["agents", 0]
    assert lines[places["agents", 1, "kind"] - 1] == 'kind = "http"'
    assert lines[places["agents", 1, "env", "C"] - 1] == 'C = "2"'
    assert lines[places["routes", "quoted key"] - 1].startswith('"quoted')
    assert lines[places["routes", "dotted", "key"] - 1].startswith("dotted")
    assert lines[places["routes", "last"] - 1].startswith("last")
    assert ("not", "a", "table") not in places


def test_what_has_no_line_takes_that_of_its_table() -> None:
    places = locate("[machine]\n\n[sync]\n")
    assert line_of(places, ("sync", "nothing")) == 3
    assert line_of(places, ("nothing",)) == 0


_KEY = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
_VALUE = st.one_of(
    st.integers(0, 99).map(str),
    st.text("ab#]}[{='", max_size=8).map(lambda text: '"' + text + '"'),
    st.text('ab#]}[{="\n', max_size=8)
    .filter(lambda text: '"""' not in text and not text.endswith('"'))
    .map(lambda text: '"""\n' + text + '"""'),
    st.lists(st.text("ab#]}[{=", max_size=4), max_size=3).map(
        lambda items: "[\n" + "".join(f'"{item}", # ]\n' for item in items) + "]"
    ),
)


@given(st.dictionaries(_KEY, st.dictionaries(_KEY, _VALUE, max_size=4), max_size=4))
def test_any_file_is_located(tables: dict[str, dict[str, str]]) -> None:
    text, expected = "", {}
    for table, values in tables.items():
        expected[table,] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, value in values.items():
            expected[table, key] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    assert set(parsed) == set(tables)
    assert locate(text) == expected
