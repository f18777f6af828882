"""Which documents: scopes as conditions that the (tenant, URI) index answers."""

from collections.abc import Sequence

import sqlalchemy as sa

from infra.ledger.tables import HEAD, documents, head

#: (tenant, URI) pairs; a URI ending in "/" stands for everything under it, any other also for what is inside it.
Scope = Sequence[tuple[str, str]]

DUE = documents.c.due == sa.true()
LIVE = documents.c.gone_at.is_(None)
#: Documents inside a container (schemas.identity.member_uri).
INSIDE = documents.c.uri.contains("!/")


def in_scope(scope: Scope) -> sa.ColumnElement[bool]:
    """The documents of a scope, as a condition."""
    return sa.or_(sa.false(), *(in_prefix(tenant, uri) for tenant, uri in scope))


def in_prefix(tenant: str, uri: str) -> sa.ColumnElement[bool]:
    """The documents of a tenant under a URI, or the one document it names and those inside it."""
    u, of_tenant = documents.c.uri, documents.c.tenant == tenant
    # A range rather than LIKE: the index answers it, and nothing in the URI needs escaping. "0" follows "/".
    upper = uri[:-1] + "0" if uri.endswith("/") else uri + "!0"
    exactly = (u >= uri) & (u < upper)
    if not uri.endswith("/"):
        exactly &= (u == uri) | (u >= uri + "!/")
    if len(upper) <= HEAD:
        return of_tenant & (head(u) >= uri) & (head(u) < upper) & exactly
    # Only its beginning is indexed on PostgreSQL; a URI is ASCII, and "\x7f" follows all that may stand in one.
    return of_tenant & (head(u) >= uri[:HEAD]) & (head(u) < uri[:HEAD] + "\x7f") & exactly
