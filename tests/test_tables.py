import pytest

from rayscaler.errors import TableError
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import CATALOGUE, REJECTS

ROW = {"stage": "ingest", "key": "a.json", "reason": "malformed", "detail": "line 3"}


def test_every_table_has_a_key_and_a_sentence_on_each_column():
    for table in CATALOGUE.values():
        names = [field.name for field in table.fields]
        assert set(table.key) <= set(names)
        assert len(set(names)) == len(names)
        assert all(field.doc.endswith((".", ")")) for field in table.fields), table.name
        assert table.doc.endswith(".")


def test_rows_become_arrow_in_the_declared_schema():
    assert to_arrow(REJECTS, [ROW]).schema.equals(REJECTS.schema)
    assert to_arrow(REJECTS, []).schema.equals(REJECTS.schema)


def test_a_row_with_a_missing_or_unknown_column_is_refused_by_name():
    with pytest.raises(TableError, match=r"row 1 lacks \['detail'\] and has unknown \['details'\]"):
        to_arrow(REJECTS, [ROW, {"stage": "x", "key": "y", "reason": "z", "details": ""}])


def test_a_null_where_none_may_be_is_refused():
    with pytest.raises(TableError, match=r"rejects@1.detail: 1 nulls"):
        to_arrow(REJECTS, [{**ROW, "detail": None}])


def test_a_value_of_the_wrong_type_is_refused():
    with pytest.raises(TableError, match="rejects@1"):
        to_arrow(REJECTS, [{**ROW, "detail": 3}])


def test_a_repeated_key_is_named():
    check_key(REJECTS, to_arrow(REJECTS, [ROW, {**ROW, "key": "b.json"}]))
    with pytest.raises(TableError, match=r"1 keys occur more than once, first .*a.json"):
        check_key(REJECTS, to_arrow(REJECTS, [ROW, ROW]))
