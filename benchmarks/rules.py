"""How often the rules on documents are wrong: false alarms and misses on the labelled set, and on the sample documents.

python -m benchmarks.rules [--good 1000] [--bad 50]
"""

import argparse
from pathlib import Path

from benchmarks._verdict import verdict
from schemas.errors import Refusal
from tests.support.judging import judged, tally
from tests.support.labelled import bad, good
from validation.ruleset import load_rules
from workers.parsing.registry import parse

SAMPLES = Path(__file__).parents[1] / "examples" / "handbook"


def samples():
    """The findings of the default rules on every sample document."""
    rules = load_rules(None)
    for path in sorted(path for path in SAMPLES.rglob("*") if path.is_file()):
        body = path.read_bytes()
        try:
            document = parse(body, path.name)
        except Refusal as refusal:
            print(f"{path.relative_to(SAMPLES)}: {refusal}")
            continue
        uri = f"file:///{path.relative_to(SAMPLES)}"
        yield uri, rules.of("default", uri).document(document, size=len(body))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=int, default=1000)
    parser.add_argument("--bad", type=int, default=50)
    asked = parser.parse_args()
    documents = [*good(asked.good), *bad(asked.bad)]
    scores = tally(judged(documents))
    print(f"{'rule':20} {'good':>6} {'false alarms':>13} {'bad':>6} {'misses':>7}")
    for rule, score in scores.items():
        print(f"{rule:20} {score.good:6} {score.false_alarms:13} {score.bad:6} {score.misses:7}")
    verdict("false alarms, worst rule", 100 * max(one.alarm_rate for one in scores.values()), "<=", 0.5, " %")
    verdict("misses, worst rule", 100 * max(one.miss_rate for one in scores.values()), "<=", 1, " %")
    found = list(samples())
    for uri, findings in found:
        for finding in findings:
            print(f"{uri}: {finding.rule}: {finding.detail} {finding.excerpts}")
    verdict("sample documents with a finding", sum(bool(findings) for _, findings in found), "<=", 0)
    print(f"of {len(found)} sample documents")


if __name__ == "__main__":
    main()
