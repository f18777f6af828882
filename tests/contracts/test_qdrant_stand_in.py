"""The stand-in for a Qdrant server answers each call as qdrant-client's local mode does.

The same calls are made on both, and the answers compared: what else the tests find out with it rests on this.
"""

import random
import uuid
import warnings

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.support.qdrant import QdrantServer

pytestmark = pytest.mark.server

NAME = "c"
WORDS = ["red", "green", "blue"]


def equal(key, value):
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def point(number, rng):
    payload = {
        "tenant": rng.choice(["a", "b", ["a", "b"], None, 7]),
        "document_id": f"d{rng.randrange(5)}",
        "words": rng.sample(WORDS, rng.randrange(3)),
        "generation": rng.randrange(4),
        "meta": {"page": None, "title": "naïve 🍕"},
    }
    vector = {
        "dense": [rng.uniform(-1, 1) for _ in range(4)],
        "sparse": models.SparseVector(indices=sorted(rng.sample(range(30), 5)), values=[1.0] * 5),
    }
    return models.PointStruct(id=str(uuid.UUID(int=number)), payload=payload, vector=vector)


FILTERS = [
    None,
    models.Filter(must=equal("tenant", "a")),
    models.Filter(must=[equal("tenant", "a"), equal("document_id", "d1")]),
    models.Filter(must=[equal("tenant", "nobody")]),
    models.Filter(must=[equal("tenant", "b"), models.FieldCondition(key="words", match=models.MatchAny(any=["red"]))]),
    models.Filter(must=[equal("tenant", "b")], must_not=[equal("document_id", "d2")]),
    models.Filter(should=[equal("document_id", "d3"), equal("tenant", "a")]),
    models.Filter(must=[equal("tenant", "a")], should=[equal("generation", 1), equal("generation", 2)]),
    models.Filter(must=[models.FieldCondition(key="generation", range=models.Range(lt=2)), equal("document_id", "d4")]),
    models.Filter(must=[models.HasIdCondition(has_id=[str(uuid.UUID(int=n)) for n in range(9)]), equal("tenant", "a")]),
]


@pytest.fixture(scope="module")
def both():
    """The stand-in's client and a local one, with the same points after the same history of changes."""
    with QdrantServer() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clients = QdrantClient(url=server.url, check_compatibility=False), QdrantClient(":memory:")
        for client in clients:
            rng = random.Random(5)
            client.create_collection(
                NAME,
                vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
                sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
            client.upsert(NAME, [point(number, rng) for number in range(120)])
            for _ in range(60):
                change(client, rng)
        yield clients
        for client in clients:
            client.close()


def change(client, rng):
    some = [str(uuid.UUID(int=rng.randrange(120))) for _ in range(3)]
    alive = [str(record.id) for record in client.retrieve(NAME, some)] or [str(client.scroll(NAME, limit=1)[0][0].id)]
    new = point(rng.randrange(130), rng)
    tenant = rng.choice(["a", "b", "c"])
    match rng.randrange(8):
        case 0:
            client.delete(NAME, models.PointIdsList(points=some))
        case 1:
            client.set_payload(NAME, {"tenant": tenant}, points=alive)
        case 2:
            client.overwrite_payload(NAME, new.payload, points=alive)
        case 3:
            client.delete_payload(NAME, ["tenant"], points=alive)
        case 4:
            client.upsert(NAME, [new], update_filter=models.Filter(must=[equal("generation", 2)]))
        case 5:
            client.clear_payload(NAME, points_selector=models.PointIdsList(points=alive[:1]))
        case 6:
            client.set_payload(NAME, {"page": 3}, key="meta", points=models.Filter(must=[equal("document_id", "d1")]))
        case 7:
            overwrite = models.SetPayload(payload=new.payload, points=alive)
            client.batch_update_points(
                NAME,
                [
                    models.UpsertOperation(upsert=models.PointsList(points=[new])),
                    models.OverwritePayloadOperation(overwrite_payload=overwrite),
                    models.DeleteOperation(delete=models.PointIdsList(points=some[:1])),
                ],
            )


def same(both, call):
    served, local = (call(client) for client in both)
    assert served == local
    return served


@pytest.mark.parametrize("only", FILTERS, ids=range(len(FILTERS)))
def test_scrolling_counting_and_searching_by_a_filter(both, only):
    found = same(both, lambda client: client.count(NAME, count_filter=only)).count
    pages, offset = [], None
    while True:
        page, offset = same(
            both,
            lambda client, offset=offset: client.scroll(NAME, only, limit=7, offset=offset, with_vectors=["sparse"]),
        )
        pages += page
        if offset is None:
            break
    assert len(pages) == found
    same(both, lambda client: client.scroll(NAME, only, order_by="generation", limit=200))
    query = {"query": [0.1, 0.2, 0.3, 0.4], "using": "dense"}
    words = {"query": models.SparseVector(indices=[1, 2, 3, 9], values=[1.0] * 4), "using": "sparse"}
    for asked in (query, words, {**query, "score_threshold": 0.5, "with_payload": ["tenant"], "with_vectors": True}):
        same(both, lambda client, asked=asked: client.query_points(NAME, **asked, query_filter=only, limit=300))
    prefetch = [models.Prefetch(**way, filter=only, limit=20) for way in (query, words)]
    for fusion in (models.FusionQuery(fusion=models.Fusion.RRF), models.RrfQuery(rrf=models.Rrf(k=60))):
        same(both, lambda client, f=fusion: client.query_points(NAME, prefetch=prefetch, query=f, limit=8))
    same(both, lambda client: client.query_points_groups(NAME, "document_id", **query, query_filter=only, limit=4))
    requests = [models.QueryRequest(**query, filter=only, limit=3), models.QueryRequest(**words, with_payload=True)]
    same(both, lambda client: client.query_batch_points(NAME, requests))
    same(both, lambda client: client.facet(NAME, "document_id", facet_filter=only))


def test_the_history_left_something_to_find(both):
    assert all(both[0].count(NAME, count_filter=only).count for only in FILTERS if only != FILTERS[3])


def test_collections_aliases_and_what_they_are_made_of(both):
    create = models.CreateAlias(collection_name=NAME, alias_name="now")
    same(both, lambda client: client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)]))
    same(both, lambda client: client.get_aliases())
    same(both, lambda client: client.get_collection_aliases(NAME))
    same(both, lambda client: client.get_collections())
    same(both, lambda client: client.count("now"))
    same(both, lambda client: [client.collection_exists(name) for name in (NAME, "now", "none")])
    same(both, lambda client: client.get_collection("now").config.params.vectors)
    same(both, lambda client: client.get_collection("now").config.params.sparse_vectors)
    same(both, lambda client: client.get_collection("now").points_count)
    made = both[0].create_payload_index("now", "tenant", models.KeywordIndexParams(type="keyword", is_tenant=True))
    assert made.status == models.UpdateStatus.COMPLETED
    assert both[0].get_collection(NAME).payload_schema["tenant"].params.is_tenant


def test_a_write_without_wait_is_only_acknowledged(both):
    answer = both[0].set_payload(NAME, {"x": 1}, points=models.Filter(must=[equal("tenant", "nobody")]), wait=False)
    assert answer.status == models.UpdateStatus.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.count("none"), 404),
        (lambda client: client.delete("none", [1]), 404),
        (lambda client: client.set_payload(NAME, {"x": 1}, points=[10_000]), 404),
        (lambda client: client.upsert(NAME, [models.PointStruct(id=1, vector={"dense": [1.0]})]), 400),
        (lambda client: client.upsert(NAME, [models.PointStruct(id="no uuid", vector={"dense": [1.0] * 4})]), 400),
        (lambda client: client.create_collection(NAME, vectors_config={}), 409),
        (lambda client: client.get_optimizations(NAME), 404),
    ],
)
def test_what_a_server_refuses_is_refused_in_its_envelope(both, call, status):
    with pytest.raises(UnexpectedResponse) as caught:
        call(both[0])
    assert caught.value.status_code == status
    assert caught.value.structured()["status"]["error"]


def test_a_body_that_is_no_request_is_400_and_the_server_goes_on(both):
    url = f"{both[0].init_options['url']}/collections/{NAME}/points/count"
    for body in (b"", b"{", b'{"filter": 3}', b'{"unknown": 1}', b"\xff\xfe"):
        assert httpx.post(url, content=body).status_code == 400
    assert both[0].count(NAME).count > 0
