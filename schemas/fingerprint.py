"""The fingerprint: what besides the bytes shapes the result, part by part, so that work restarts at the first change.

Made from settings and code versions only, never from the machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts that shaped one document's points, in the order of the work."""

    parser: str
    chunker: str
    model: str
    rules: str
    payload: str

    def to_json(self) -> str:
        """Compact JSON with sorted keys, so that equal fingerprints are equal strings."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Fingerprint":
        """The fingerprint `to_json` was made from."""
        return Fingerprint(**json.loads(text))

    @property
    def digest(self) -> str:
        """Short name of the whole, as written into payloads."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PipelineFingerprint:
    """The fingerprint of every kind of document at once: one parser version per kind, the rest shared."""

    parsers: Mapping[str, str]
    chunker: str
    model: str
    rules: str
    payload: str

    def of_kind(self, kind: str) -> Fingerprint:
        """The fingerprint of documents of this kind."""
        return self.with_parser(self.parsers[kind])

    def with_parser(self, parser: str) -> Fingerprint:
        """The fingerprint of what this parser version made, with everything after it current."""
        return Fingerprint(parser, self.chunker, self.model, self.rules, self.payload)

    def to_json(self) -> str:
        """Compact JSON with sorted keys."""
        parts = asdict(self) | {"parsers": dict(self.parsers)}
        return json.dumps(parts, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """Short name of the whole: a held version is tried again when this changes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]
