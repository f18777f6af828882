"""Whether a new edition of an exported JSON Schema breaks those who rely on the old one. Pure.

Who sends us events must go on being understood: all that was valid stays valid. Who reads our points must go on
understanding them: all that is valid now was valid before. Both ask whether one schema covers another. Understood is
what pydantic writes for our models, no more: anything else counts as a break, so that nothing slips through.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

#: What describes and does not restrict.
_WORDS = frozenset({"title", "description", "default", "examples", "$defs"})
#: Restrictions that must be equal, where the wider schema has them.
_EXACT = ("pattern", "format", "const")
#: Lower bounds and upper bounds: the narrower schema's must lie within the wider one's.
_AT_LEAST, _AT_MOST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems")
_KNOWN = _WORDS | {"type", "enum", "anyOf", "$ref", "properties", "required", "additionalProperties", "items"}
_KNOWN |= {*_EXACT, *_AT_LEAST, *_AT_MOST}


def breaks(old: Schema, new: Schema, *, produced: bool) -> list[str]:
    """What of a new edition breaks users of the old one, in words; nothing where it does not.

    produced: we write what the schema describes and others read it; else others write it and we read it.
    """
    return list(_uncovered(new, old, new, old, "") if produced else _uncovered(old, new, old, new, ""))


def _uncovered(narrow: Schema, wide: Schema, narrow_root: Schema, wide_root: Schema, at: str) -> Iterator[str]:
    """Where something valid under `narrow` may be invalid under `wide`."""
    narrow, wide = _resolved(narrow, narrow_root), _resolved(wide, wide_root)
    where = at or "the whole"
    yield from (f"{where}: {word} is not understood" for word in sorted((narrow.keys() | wide.keys()) - _KNOWN))
    if "anyOf" in narrow or "anyOf" in wide:
        choices = wide.get("anyOf", [wide])
        for one in narrow.get("anyOf", [narrow]):
            if all(list(_uncovered(one, choice, narrow_root, wide_root, at)) for choice in choices):
                yield f"{where}: {_named(one)} is not among {', '.join(map(_named, choices))}"
        return
    if "type" in wide and not _types(narrow) <= _types(wide) | ({"integer"} if "number" in _types(wide) else set()):
        yield f"{where}: {_named(narrow)} instead of {_named(wide)}"
        return
    yield from _bounds(narrow, wide, where)
    yield from _object(narrow, wide, narrow_root, wide_root, at)
    if "items" in wide:
        yield from _uncovered(narrow.get("items", {}), wide["items"], narrow_root, wide_root, f"{at}[]")


def _bounds(narrow: Schema, wide: Schema, where: str) -> Iterator[str]:
    allowed = narrow.get("enum", [narrow["const"]] if "const" in narrow else None)
    if "enum" in wide and (allowed is None or not set(allowed) <= set(wide["enum"])):
        yield f"{where}: other values than {wide['enum']}"
    for name in _EXACT:
        if name in wide and narrow.get(name) != wide[name]:
            yield f"{where}: {name} {narrow.get(name)!r} instead of {wide[name]!r}"
    for name in _AT_LEAST:
        if name in wide and narrow.get(name, float("-inf")) < wide[name]:
            yield f"{where}: {name} {narrow.get(name)} under {wide[name]}"
    for name in _AT_MOST:
        if name in wide and narrow.get(name, float("inf")) > wide[name]:
            yield f"{where}: {name} {narrow.get(name)} over {wide[name]}"


def _object(narrow: Schema, wide: Schema, narrow_root: Schema, wide_root: Schema, at: str) -> Iterator[str]:
    for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
        yield f"{at}.{name}: may be missing"
    ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
    for name in theirs.keys() & ours.keys():
        yield from _uncovered(ours[name], theirs[name], narrow_root, wide_root, f"{at}.{name}")
    extra = wide.get("additionalProperties", True)
    if extra is False:
        yield from (f"{at}.{name}: is not allowed" for name in sorted(ours.keys() - theirs.keys()))
    mine = narrow.get("additionalProperties", True)
    if isinstance(extra, Mapping):
        yield from _uncovered(mine if isinstance(mine, Mapping) else {}, extra, narrow_root, wide_root, f"{at}.*")
    elif extra is False and mine is not False:
        yield f"{at or 'the whole'}: other properties are not allowed any more"


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


def _types(schema: Schema) -> set[str]:
    found = schema.get("type", "anything")
    return {found} if isinstance(found, str) else set(found)


def _named(schema: Schema) -> str:
    return " or ".join(sorted(_types(schema))) if "$ref" not in schema else str(schema["$ref"].rpartition("/")[2])
