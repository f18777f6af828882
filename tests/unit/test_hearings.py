"""The look-up of a URI's owners says what schemas.sources.owners says."""

from hypothesis import given
from hypothesis import strategies as st

from infra.ledger.sources import KnownSource
from schemas.sources import owners
from workers.hearings import Owners

URI = st.text("ab/", max_size=8).map(lambda path: "s3://b/" + path)
PLACES = st.lists(st.tuples(URI, st.sampled_from(["t", "u"])), unique=True, max_size=8)


@given(PLACES, URI)
def test_the_longest_prefix_owns(places, uri):
    sources = [
        KnownSource(uri=place, tenant=tenant, id=n, root_identity=None, verified_at=None, attempted_at=None, error=None)
        for n, (place, tenant) in enumerate(places)
    ]
    assert Owners(sources).of(uri) == owners(uri, sources)
