"""The REST calls of a Qdrant server, answered by qdrant-client's local mode: one function for each route.

Bodies are parsed by the client's own models, as strict as a server's. Payload indexes, which local mode has not, are
remembered and shown, and change no answer.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from qdrant_client.http import models

from tests.support.qdrant_local import open_local


class Wrong(Exception):
    """What a server answers with an HTTP status of 400 or above."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


@dataclass(frozen=True)
class Route:
    """A method and a path, the model of its body, and what answers it."""

    method: str
    path: str
    pattern: re.Pattern[str]
    body: TypeAdapter[Any] | None
    call: Callable[..., Any]


ROUTES: list[Route] = []


def route(method: str, path: str, body: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer a route by the decorated function, which gets the store, the parsed body, and the path's names."""
    pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))

    def add(call: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.append(Route(method, path, pattern, None if body is None else TypeAdapter(body), call))
        return call

    return add


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request and the names in its path. Raises Wrong(404) without one."""
    for found in ROUTES:
        if found.method == method and (match := found.pattern.fullmatch(path)):
            return found, match.groupdict()
    raise Wrong(404, f"no such route here: {method} {path}")


class Store:
    """The local client, for one request at a time."""

    def __init__(self, location: str) -> None:
        self.client = open_local(location)
        self.lock = Lock()
        self.fields_file = None if location == ":memory:" else Path(location, "payload_indexes.json")
        known = self.fields_file is not None and self.fields_file.exists()
        self.fields: dict[str, dict[str, Any]] = json.loads(self.fields_file.read_text()) if known else {}

    def answer(self, found: Route, names: dict[str, str], body: bytes) -> Any:
        """The result of a call. Raises Wrong."""
        try:
            parsed = found.body.validate_python(from_json(body)) if found.body else None
        except ValueError as error:  # what pydantic raises is one too
            raise Wrong(400, f"Format error in JSON body: {_plain(error)}") from None
        with self.lock:
            try:
                return found.call(self, parsed, **names)
            except ValueError as error:
                raise self._wrong(error, names) from None
            except KeyError as error:
                raise Wrong(404, f"Not found: No point with id {error} found") from None

    def _wrong(self, error: ValueError, names: dict[str, str]) -> Wrong:
        name = names.get("name")
        if name is not None and not self.client.collection_exists(name):
            return Wrong(404, f"Not found: Collection `{name}` doesn't exist!")
        return Wrong(409 if "already exists" in str(error) else 400, f"Wrong input: {error}")

    def real(self, name: str) -> str:
        """The collection behind a name that may be an alias."""
        aliases = {found.alias_name: found.collection_name for found in self.client.get_aliases().aliases}
        return aliases.get(name, name)

    def save_fields(self) -> None:
        """Write the payload indexes, whole or not at all."""
        if self.fields_file is not None:
            new = self.fields_file.with_suffix(".new")
            new.write_text(json.dumps(self.fields))
            new.replace(self.fields_file)


def _plain(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _done(_result: Any = None) -> models.UpdateResult:
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _selected(body: Any) -> Any:
    if body.points is None and body.filter is None:
        raise Wrong(400, "Validation error: no points and no filter")
    return body.points if body.points is not None else body.filter


# Collections and aliases


@route("GET", "/collections")
def collections(store: Store, _body: None) -> Any:
    return store.client.get_collections()


@route("GET", "/collections/{name}/exists")
def exists(store: Store, _body: None, name: str) -> Any:
    return {"exists": store.client.collection_exists(name)}


@route("GET", "/collections/{name}")
def info(store: Store, _body: None, name: str) -> Any:
    found = store.client.get_collection(name)
    fields = store.fields.get(store.real(name), {})
    return found.model_copy(update={"payload_schema": {field: {**kept, "points": 0} for field, kept in fields.items()}})


@route("PUT", "/collections/{name}", models.CreateCollection)
def create(store: Store, body: models.CreateCollection, name: str) -> Any:
    if store.client.collection_exists(name):
        raise Wrong(409, f"Wrong input: Collection `{name}` already exists!")
    given = body.model_dump(exclude_unset=True, exclude={"vectors", "sparse_vectors"})
    return store.client.create_collection(
        name, vectors_config=body.vectors, sparse_vectors_config=body.sparse_vectors, **given
    )


@route("DELETE", "/collections/{name}")
def drop(store: Store, _body: None, name: str) -> Any:
    if store.fields.pop(name, None) is not None:
        store.save_fields()
    return store.client.delete_collection(name)


@route("GET", "/aliases")
def aliases(store: Store, _body: None) -> Any:
    return store.client.get_aliases()


@route("GET", "/collections/{name}/aliases")
def aliases_of(store: Store, _body: None, name: str) -> Any:
    return store.client.get_collection_aliases(name)


@route("POST", "/collections/aliases", models.ChangeAliasesOperation)
def change_aliases(store: Store, body: models.ChangeAliasesOperation) -> Any:
    for action in body.actions:
        name = action.create_alias.collection_name if isinstance(action, models.CreateAliasOperation) else None
        if name is not None and not store.client.collection_exists(name):
            raise Wrong(404, f"Not found: Collection `{name}` doesn't exist!")
    return store.client.update_collection_aliases(body.actions)


@route("PUT", "/collections/{name}/index", models.CreateFieldIndex)
def create_field(store: Store, body: models.CreateFieldIndex, name: str) -> Any:
    done = _done(store.client.create_payload_index(name, body.field_name, body.field_schema))
    schema = body.model_dump(mode="json", exclude_none=True).get("field_schema", "keyword")
    kept = {"data_type": schema} if isinstance(schema, str) else {"data_type": schema["type"], "params": schema}
    store.fields.setdefault(store.real(name), {})[body.field_name] = kept
    store.save_fields()
    return done


@route("DELETE", "/collections/{name}/index/{field}")
def delete_field(store: Store, _body: None, name: str, field: str) -> Any:
    done = _done(store.client.delete_payload_index(name, field))
    store.fields.get(store.real(name), {}).pop(field, None)
    store.save_fields()
    return done


# Writing points


@route("PUT", "/collections/{name}/points", models.PointInsertOperations)
def upsert(store: Store, body: Any, name: str) -> Any:
    points = body.batch if isinstance(body, models.PointsBatch) else body.points
    conditions = {"update_filter": body.update_filter, "update_mode": body.update_mode}
    return _done(store.client.upsert(name, points, **conditions))


@route("POST", "/collections/{name}/points/delete", models.PointsSelector)
def delete(store: Store, body: Any, name: str) -> Any:
    return _done(store.client.delete(name, body))


@route("POST", "/collections/{name}/points/payload", models.SetPayload)
def set_payload(store: Store, body: models.SetPayload, name: str) -> Any:
    return _done(store.client.set_payload(name, body.payload, _selected(body), key=body.key))


@route("PUT", "/collections/{name}/points/payload", models.SetPayload)
def overwrite_payload(store: Store, body: models.SetPayload, name: str) -> Any:
    return _done(store.client.overwrite_payload(name, body.payload, _selected(body)))


@route("POST", "/collections/{name}/points/payload/delete", models.DeletePayload)
def delete_payload(store: Store, body: models.DeletePayload, name: str) -> Any:
    return _done(store.client.delete_payload(name, body.keys, _selected(body)))


@route("POST", "/collections/{name}/points/payload/clear", models.PointsSelector)
def clear_payload(store: Store, body: Any, name: str) -> Any:
    return _done(store.client.clear_payload(name, body))


@route("PUT", "/collections/{name}/points/vectors", models.UpdateVectors)
def update_vectors(store: Store, body: models.UpdateVectors, name: str) -> Any:
    return _done(store.client.update_vectors(name, body.points, update_filter=body.update_filter))


@route("POST", "/collections/{name}/points/vectors/delete", models.DeleteVectors)
def delete_vectors(store: Store, body: models.DeleteVectors, name: str) -> Any:
    return _done(store.client.delete_vectors(name, list(body.vector), _selected(body)))


@route("POST", "/collections/{name}/points/batch", models.UpdateOperations)
def batch(store: Store, body: models.UpdateOperations, name: str) -> Any:
    store.client.batch_update_points(name, body.operations)
    return [_done() for _ in body.operations]


# Reading points


@route("POST", "/collections/{name}/points", models.PointRequest)
def retrieve(store: Store, body: models.PointRequest, name: str) -> Any:
    with_payload = True if body.with_payload is None else body.with_payload
    return store.client.retrieve(name, body.ids, with_payload=with_payload, with_vectors=body.with_vector or False)


@route("GET", "/collections/{name}/points/{number}")
def point(store: Store, _body: None, name: str, number: str) -> Any:
    found = store.client.retrieve(name, [int(number) if number.isdigit() else number], with_vectors=True)
    if not found:
        raise KeyError(number)
    return found[0]


@route("POST", "/collections/{name}/points/scroll", models.ScrollRequest)
def scroll(store: Store, body: models.ScrollRequest, name: str) -> Any:
    points, following = store.client.scroll(
        name,
        scroll_filter=body.filter,
        limit=10 if body.limit is None else body.limit,
        order_by=body.order_by,
        offset=body.offset,
        with_payload=True if body.with_payload is None else body.with_payload,
        with_vectors=body.with_vector or False,
    )
    return {"points": points, "next_page_offset": following}


@route("POST", "/collections/{name}/points/count", models.CountRequest)
def count(store: Store, body: models.CountRequest, name: str) -> Any:
    return store.client.count(name, count_filter=body.filter)


@route("POST", "/collections/{name}/facet", models.FacetRequest)
def facet(store: Store, body: models.FacetRequest, name: str) -> Any:
    limit = 10 if body.limit is None else body.limit
    return store.client.facet(name, body.key, facet_filter=body.filter, limit=limit)


@route("POST", "/collections/{name}/points/query", models.QueryRequest)
def query(store: Store, body: models.QueryRequest, name: str) -> Any:
    return store.client.query_batch_points(name, [body])[0]


@route("POST", "/collections/{name}/points/query/batch", models.QueryRequestBatch)
def query_batch(store: Store, body: models.QueryRequestBatch, name: str) -> Any:
    return store.client.query_batch_points(name, body.searches)


@route("POST", "/collections/{name}/points/query/groups", models.QueryGroupsRequest)
def query_groups(store: Store, body: models.QueryGroupsRequest, name: str) -> Any:
    return store.client.query_points_groups(
        name,
        group_by=body.group_by,
        query=body.query,
        using=body.using,
        prefetch=body.prefetch,
        query_filter=body.filter,
        search_params=body.params,
        limit=10 if body.limit is None else body.limit,
        group_size=3 if body.group_size is None else body.group_size,
        with_payload=body.with_payload or False,
        with_vectors=body.with_vector or False,
        score_threshold=body.score_threshold,
        with_lookup=body.with_lookup,
        lookup_from=body.lookup_from,
    )
