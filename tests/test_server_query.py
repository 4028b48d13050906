from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.server.query import condition, order
from gpuqio.server.refusal import Refusal

COLUMNS = {"name": "name", "state": "state"}
ROWS = [("ship", "Failed"), ("ship's", "Succeeded"), ("boat", "Failed")]


def selected(text: str) -> list[str]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE items (name TEXT, state TEXT)")
        connection.executemany("INSERT INTO items VALUES (?, ?)", ROWS)
        sql, values = condition(text, COLUMNS)
        return [name for (name,) in connection.execute(f"SELECT name FROM items WHERE {sql}", values)]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Name eq 'ship'", ["ship"]),
        ("Name eq 'ship''s'", ["ship's"]),
        ("startswith(Name, 'ship')", ["ship", "ship's"]),
        ("startswith(Name,'%')", []),
        ("name gt 'c' and state eq 'Failed'", ["ship"]),
        ("Name eq 'boat' or Name eq 'ship' and State eq 'Succeeded'", ["boat"]),
        ("(Name eq 'boat' or Name eq 'ship''s') and State eq 'Succeeded'", ["ship's"]),
        ("State ne 'Failed'", ["ship's"]),
        ("((((Name eq 'boat'))))", ["boat"]),
    ],
)
def test_a_filter_selects(text: str, names: list[str]) -> None:
    assert selected(text) == names


@pytest.mark.parametrize(
    "text",
    ["", "Name", "Name eq", "Name eq 'a' or", "(Name eq 'a'", "Name eq 'a')", "Name is 'a'", "x eq 'a'", "Name eq 'a",
     "startswith(Name)", "and", "Name eq 'a' Name eq 'b'", "(" * 60 + "Name eq 'a'" + ")" * 60,
     " or ".join(["Name eq 'a'"] * 500)],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        condition(text, COLUMNS)
    assert refused.value.status == 400


@settings(max_examples=25)
@given(st.text(alphabet="()', eqandorstwihNmS0;-", max_size=40))
def test_no_text_reaches_the_database_but_as_a_value(text: str) -> None:
    try:
        sql, values = condition(text, COLUMNS)
    except Refusal:
        return
    assert sql.count("?") == len(values)
    assert ";" not in sql
    assert "'" not in sql


def test_an_order_is_of_known_columns() -> None:
    assert order("Name desc, State", COLUMNS) == "name DESC, state"
    for text in ("", "x", "Name desc desc", "name; DROP TABLE items", "Name,"):
        with pytest.raises(Refusal):
            order(text, COLUMNS)
