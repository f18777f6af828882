"""A ledger with something to report: documents that passed, were warned of, were held, and rules that were asked."""

from dataclasses import dataclass
from pathlib import Path

from infra.ledger import Ledger, open_ledger
from infra.ledger.records import Attributes, Hearing, Indexed, PlacedPoint, Settlement
from schemas.errors import Reason
from schemas.fingerprint import Fingerprint
from schemas.sources import Source
from schemas.verdicts import Finding, Gate, Severity

COLLECTION = "c"
FINGERPRINT = Fingerprint("markdown-3", "chunks-2", "stub-64", "rules-2", "payload-1")


def finding(
    rule: str = "shrink",
    *,
    severity: Severity = Severity.QUARANTINE,
    reason: Reason = Reason.SHRUNK,
    detail: str = "its text fell from 900 to 4 characters",
    excerpts: tuple[str, ...] = (),
) -> Finding:
    return Finding(rule, Gate.DOCUMENT, severity, reason, detail, excerpts)


def warning(rule: str = "hidden-text", **of: object) -> Finding:
    said = {"severity": Severity.WARN, "reason": Reason.HIDDEN_TEXT, "detail": "it hides 40 characters"}
    return finding(rule, **{**said, **of})


@dataclass
class Reported:
    """Settles documents as a worker would. uri: of a document's name."""

    ledger: Ledger
    now: float

    def uri(self, name: str) -> str:
        return f"file:///docs/{name}"

    def settle(
        self,
        *names: str,
        held: bool = False,
        said: tuple[Finding, ...] = (),
        chunks: int = 1,
        headings: tuple[str, ...] = ("One",),
        tenant: str = "default",
    ) -> None:
        """Index documents, or refuse a version of them."""
        documents = self.ledger.documents
        documents.hear([Hearing(tenant, self.uri(name), 1) for name in names], at=self.now)
        claims = documents.claim(
            owner="me",
            now=self.now,
            lease_s=60,
            limit=len(names),
            round_=f"{names[0]} {held}",
            collection=COLLECTION,
            scope=None,
        )
        assert len(claims) == len(names)
        points = tuple(PlacedPoint(f"point-{n}", f"key-{n}", n, n + 1, headings) for n in range(chunks))
        outcomes = []
        for one in claims:
            if held:
                values = {"held_reason": said[0].reason.value, "held_detail": said[0].detail, "held_at": self.now}
                values |= {"held_hash": "bad", "held_by": "penstock 0.1.0"}
                outcomes.append(Settlement(one, values, event="held", findings=said))
            else:
                written = Indexed(COLLECTION, one.generation, "good", FINGERPRINT, Attributes((), {}), self.now, points)
                values = {"content_hash": "good", "parser": "markdown-3", "kind": "markdown", "identity": "i"}
                outcomes.append(Settlement(one, values, written, event="added", findings=said))
        documents.settle(outcomes, at=self.now)


def reported(home: Path, *, now: float) -> Reported:
    """A home whose ledger knows a source and a model, and no document yet."""
    home.mkdir(exist_ok=True)
    ledger = open_ledger(f"sqlite:///{home / 'ledger.sqlite'}", now=now)
    ledger.sources.register(Source(tenant="default", uri="file:///docs/"))
    ledger.put("model", {"name": "stub-64", "collection": COLLECTION})
    return Reported(ledger, now)
