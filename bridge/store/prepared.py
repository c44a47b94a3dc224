"""Statements that are compiled once and then run on the driver's own cursor, inside their caller's transaction.

SQLAlchemy builds and compiles a statement's text each time it is executed, which takes some twenty times as long as
SQLite needs to run it. What the path of every message executes is prepared instead: the text, the order of its
parameters and the conversions of its columns are worked out at the first use with each dialect.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, TextClause, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Clause = Select[Any] | Insert | Update | Delete | TextClause
_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Form:
    """
    A statement in one dialect. in_order: reads its parameters in their order, None where the driver takes them by name.

    constants: parameters that the statement itself holds. row: makes a named tuple of a fetched one.
    """

    text: str
    in_order: Callable[[Mapping[str, Any]], Sequence[Any]] | None
    constants: Mapping[str, Any]
    inward: tuple[tuple[str, _Convert], ...]
    outward: tuple[tuple[int, _Convert], ...]
    row: Callable[[Iterable[Any]], Any]
    returns_key: bool

    def bound(self, said: dict[str, Any]) -> Any:
        """Return what is *said*, which it may change, as the driver takes it."""
        if self.constants:
            said.update(self.constants)
        for name, convert in self.inward:
            said[name] = convert(said[name])
        return said if self.in_order is None else self.in_order(said)

    def made(self, fetched: Sequence[Any]) -> Any:
        """Return a fetched row with its columns converted, as a named tuple."""
        if self.outward:
            fetched = list(fetched)
            for place, convert in self.outward:
                fetched[place] = convert(fetched[place])
        return self.row(fetched)


class Prepared:
    """
    One statement, compiled once for each dialect.

    clause: built with `bindparam` where a value differs from run to run; a list behind IN only of literal columns. columns: what
    an INSERT or UPDATE sets, each from the parameter of its name. Errors are SQLAlchemy's, as everywhere in the store.
    """

    def __init__(self, clause: Clause, columns: Iterable[str] = ()) -> None:
        self._clause = clause
        self._columns = tuple(columns)
        self._forms: dict[str, _Form] = {}

    def all(self, tx: Connection, **values: Any) -> list[Any]:
        """Return every row as a named tuple."""
        form = self._form(tx)
        cursor = _execute(tx, form, form.bound(values))
        return [form.made(row) for row in cursor.fetchall()]

    def first(self, tx: Connection, **values: Any) -> Any:
        """Return the first row as a named tuple, None if there is none."""
        form = self._form(tx)
        cursor = _execute(tx, form, form.bound(values))
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else form.made(row)

    def scalar(self, tx: Connection, **values: Any) -> Any:
        """Return the first column of the first row, None if there is none."""
        row = self.first(tx, **values)
        return None if row is None else row[0]

    def run(self, tx: Connection, **values: Any) -> int:
        """Execute it and return how many rows it changed."""
        form = self._form(tx)
        return int(_execute(tx, form, form.bound(values)).rowcount)

    def each(self, tx: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute it once for each of *rows*, in one call of the driver."""
        form = self._form(tx)
        bound = [form.bound(dict(values)) for values in rows]
        if len(bound) == 1:
            _execute(tx, form, bound[0])
        elif bound:
            _execute(tx, form, bound, many=True)

    def key(self, tx: Connection, **values: Any) -> int:
        """Execute an INSERT of one row and return its key."""
        form = self._form(tx)
        cursor = _execute(tx, form, form.bound(values))
        return int(cursor.fetchone()[0] if form.returns_key else cursor.lastrowid)

    def _form(self, tx: Connection) -> _Form:
        form = self._forms.get(tx.dialect.name)
        if form is None:
            form = self._forms[tx.dialect.name] = _compiled(self._clause, self._columns, tx.dialect)
        return form


def _execute(tx: Connection, form: _Form, bound: Any, *, many: bool = False) -> Any:
    cursor = tx.connection.cursor()
    try:
        if many:
            cursor.executemany(form.text, bound)
        else:
            cursor.execute(form.text, bound)
    except tx.dialect.loaded_dbapi.Error as fault:
        raise _translated(tx, form.text, fault) from fault
    return cursor


def _translated(tx: Connection, text: str, fault: Any) -> DBAPIError:
    """Return the driver's fault as SQLAlchemy's, without parameters: they may be a patient's."""
    lost = tx.dialect.is_disconnect(fault, tx.connection, None)
    if lost:
        tx.invalidate(fault)
    named: DBAPIError = DBAPIError.instance(
        text,
        None,
        fault,
        tx.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=tx.dialect,
    )
    return named


def _compiled(clause: Clause, columns: tuple[str, ...], dialect: Dialect) -> _Form:
    # SQLite tells the key of an inserted row by itself.
    returns_key = isinstance(clause, Insert) and dialect.name != "sqlite"
    if isinstance(clause, Insert) and returns_key:
        clause = clause.returning(*clause.table.primary_key)
    compiled = clause.compile(dialect=dialect, column_keys=list(columns) or None)
    assert isinstance(compiled, SQLCompiler)
    assert not compiled.post_compile_params, "a list behind IN is rendered anew each time"
    places = compiled.positiontup
    bound = {compiled.bind_names[bind]: bind for bind in compiled.bind_names}
    inward = [(name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in bound.items()]
    chosen = list(clause.selected_columns) if isinstance(clause, Select) else []
    outward = [
        (place, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for place, column in enumerate(chosen)
    ]
    row_type: Any = namedtuple("Row", [column.key for column in chosen])  # type: ignore[misc]
    return _Form(
        str(compiled),
        None if places is None else _in_order(places),
        {name: value for name, value in compiled.params.items() if name not in bound or not bound[name].required},
        tuple((name, convert) for name, convert in inward if convert is not None and name in compiled.params),
        tuple((place, convert) for place, convert in outward if convert is not None),
        row_type._make,
        returns_key,
    )


def _in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda said: [said[name] for name in names]
