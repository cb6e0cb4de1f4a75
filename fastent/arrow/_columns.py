"""Which columns of a schema hold the operands of a measure: by name, by pattern, by default."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa

from fastent._names import nearest
from fastent.arrow._layouts import Layout, is_list, is_number, layout_of, layout_of_column
from fastent.arrow._measures import COLUMN_OPTIONS, Measure

Wanted = str | Sequence[str] | None


class NoColumnsError(ValueError):
    """There are no columns for an operand."""


def choose_columns(
    schema: pa.Schema, measure: Measure, columns: Sequence[Wanted], options: dict[str, Any]
) -> list[Layout]:
    """Return where each operand lies, and each option that is the name of a column."""
    if len(columns) > len(measure.operands):
        raise TypeError(
            f"{measure.name} has {len(measure.operands)} operand(s), "
            f"{', '.join(measure.operands)}: {len(columns)} were named"
        )
    given = {role: w for role, w in zip(measure.operands, columns, strict=False) if w is not None}
    given |= {name: options[name] for name in COLUMN_OPTIONS if _names_one(options, name)}
    chosen = {role: _find(schema, role, wanted) for role, wanted in given.items()}
    _check_alike({role: given[role] for role in measure.operands if role in given}, chosen)
    missing = [role for role in measure.required() if role not in chosen]
    if missing:
        taken = {name for names, _ in chosen.values() for name in names}
        chosen[missing[0]] = _by_default(schema, measure, missing, taken)
    order = [role for role in (*measure.operands, *COLUMN_OPTIONS) if role in chosen]
    return [_layout(schema, role, *chosen[role]) for role in order]


def choose_operand(
    schema: pa.Schema, measure: Measure, role: str, wanted: Wanted, taken: Collection[str] = ()
) -> tuple[list[str], bool]:
    """Return the columns of one operand, and whether it is one by its own name.

    None stands for the only column of lists, or all columns of numbers but those that are taken;
    of names such as p_2 and p_10, they come in the order of their numbers.
    """
    if wanted is None:
        return _by_default(schema, measure, [role], taken)
    return _find(schema, role, wanted)


def _names_one(options: dict[str, Any], name: str) -> bool:
    """Whether an option is the name of a column, or of several; a weight of rows has to be one."""
    value = options.get(name)
    if name == "weight" and value is not None and not isinstance(value, str):
        raise TypeError(f"weight is the name of a column here, not {value!r}")
    names = value if isinstance(value, (list, tuple)) and len(value) else [value]
    return all(isinstance(each, str) for each in names)


def _layout(schema: pa.Schema, role: str, names: Sequence[str], alone: bool) -> Layout:
    """Return where rows lie in these columns."""
    fields = [schema.field(name) for name in names]
    return layout_of_column(role, fields[0]) if alone else layout_of(role, fields)


def _find(schema: pa.Schema, role: str, wanted: Any) -> tuple[list[str], bool]:
    """Return the columns that are wanted, and whether it is one by its own name."""
    if isinstance(wanted, str):
        if wanted in schema.names:
            return [_single(schema, wanted)], True
        if not set("*?[") & set(wanted):
            raise ValueError(f"there is no column {wanted!r}{nearest(wanted, schema.names)}")
        found = _match(schema, wanted)
        if not found:
            raise ValueError(
                f"no column matches {wanted!r} ({role}): there are {', '.join(schema.names)}"
            )
        return found, False
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(n, str) for n in wanted):
        raise TypeError(f"columns are chosen by name, a list of names or a pattern, not {wanted!r}")
    if not wanted:
        raise ValueError(f"the list of columns of {role} is empty")
    known = set(schema.names)
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no column {name!r}{nearest(name, schema.names)}")
    return [_single(schema, name) for name in wanted], False


def _single(schema: pa.Schema, name: str) -> str:
    """Return a name, if it is that of one column alone."""
    count = len(schema.get_all_field_indices(name))
    if count > 1:
        raise ValueError(f"there are {count} columns {name!r}: give them different names")
    return name


def _match(schema: pa.Schema, pattern: str) -> list[str]:
    """Return the columns that a pattern matches, in their order; p_2 before p_10."""
    indices = _indices(schema)
    found = [n for n in schema.names if fnmatchcase(n, pattern) and n not in indices]
    stars = _stars(pattern, found)
    if stars and all(star.isdecimal() for star in stars):
        found.sort(key=lambda name: int(_stars(pattern, [name])[0]))
    return [_single(schema, name) for name in found]


def _stars(pattern: str, names: Sequence[str]) -> list[str]:
    """Return what stands for the star of a pattern that has one, and nothing else."""
    before, star, after = pattern.partition("*")
    if not star or set("*?[") & set(before + after):
        return []
    return [name[len(before) : len(name) - len(after)] for name in names]


def _check_alike(given: Mapping[str, Wanted], chosen: dict[str, tuple[list[str], bool]]) -> None:
    """Raise if two patterns' columns, such as p_a, p_b and q_b, q_a, do not go together."""
    stars = {
        role: (pattern, _stars(pattern, chosen[role][0]))
        for role, pattern in given.items()
        if isinstance(pattern, str) and not chosen[role][1]
    }
    known = [(pattern, found) for pattern, found in stars.values() if found]
    for pattern, found in known[1:]:
        if found != known[0][1]:
            raise ValueError(
                f"{known[0][0]!r} matches {', '.join(known[0][1])} and {pattern!r} "
                f"{', '.join(found)}: pass lists of names, in one order"
            )


def _by_default(
    schema: pa.Schema, measure: Measure, missing: Sequence[str], taken: Collection[str]
) -> tuple[list[str], bool]:
    """Return the only column of lists, or all of numbers."""
    role = missing[0]
    there = ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"
    if len(missing) > 1 or role in ("labels", "target"):
        raise ValueError(f"name the columns of {', '.join(missing)}: there are {there}")
    indices = _indices(schema)
    free = [f for f in schema if f.name not in taken and f.name not in indices]
    rows = [field for field in free if _holds_rows(field.type)]
    if len(rows) == 1:
        return [_single(schema, rows[0].name)], True
    if len(rows) > 1:
        names = ", ".join(field.name for field in rows)
        raise ValueError(f"name the column of {role}: {names} hold rows")
    single = [field for field in free if _is_probability(field.type)]
    if not single:
        raise NoColumnsError(f"no columns are left for {role}: there are {there}")
    kinds = {pa.types.is_integer(f.type) for f in single if not pa.types.is_null(f.type)}
    if len(kinds) > 1 or (measure.elementwise and len(single) > 1):
        names = ", ".join(f"{field.name} ({field.type})" for field in single)
        raise ValueError(f"name the columns of {role}: it may be any of {names}")
    alone = measure.elementwise or (role == "prob" and len(single) == 1)  # that of class 1
    return [_single(schema, name) for name in _by_number([each.name for each in single])], alone


def _by_number(names: list[str]) -> list[str]:
    """Return names in their order, p_2 before p_10: as the pattern of all of them would."""
    prefixes = {name.rstrip("0123456789") for name in names}
    prefix = prefixes.pop()
    if prefixes or prefix in names:
        return names
    return sorted(names, key=lambda name: int(name[len(prefix) :]))


def _holds_rows(type: pa.DataType) -> bool:
    """Whether this is a type of rows."""
    tensor = isinstance(type, pa.FixedShapeTensorType)
    return is_list(type) or bool(pa.types.is_fixed_size_list(type)) or tensor


def _is_probability(type: pa.DataType) -> bool:
    """Whether a column of this type may be meant; decimals are, and are refused later."""
    number = is_number(type) and not pa.types.is_dictionary(type)
    return (number and not pa.types.is_boolean(type)) or bool(pa.types.is_decimal(type))


def _indices(schema: pa.Schema) -> list[str]:
    """Return the columns in which pandas keeps its index."""
    kept = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in kept if isinstance(name, str)]
