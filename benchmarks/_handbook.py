"""Markdown as companies write it, made up: headings, paragraphs, lists, a table, code. Same number, same text."""

import random
from collections.abc import Iterator
from pathlib import Path

_SUBJECTS = """the finance team|every employee|the release manager|a new customer|the on-call engineer|our supplier
|the works council|the data protection officer|a contractor|the warehouse|the support desk|an apprentice|the auditor
|the night shift|a line manager|the payroll system|the staging cluster|the landlord|a visiting client|the board"""
_VERBS = """approves|archives|reviews|forwards|reports|replaces|returns|books|cancels|escalates|signs|renews|measures
|inspects|documents|refunds|encrypts|restores|schedules|translates|rejects|publishes|reconciles|withdraws"""
_OBJECTS = """travel expenses|parental leave|the quarterly forecast|an expired certificate|the delivery note
|database backups|the fire drill|a parking permit|the rental contract|overtime hours|a damaged pallet
|the incident report|customer invoices|a security badge|the maintenance window|the training budget|a price list
|personal data|the exchange rate|a spare laptop|the meeting room|the cooling circuit|a tax statement|unpaid orders"""
_WHEN = """within {n} working days|before the {n}th of the month|after {n} reminders|once {n} people have agreed
|at least {n} times a year|as soon as {n} units are missing|for amounts above {n} euros|up to {n} kilometres away
|unless {n} hours have passed|on floor {n} of the main building|by form {n}-B|under section {n} of the agreement"""
_PLACES = "Lisbon|Gdansk|Turin|Aarhus|Graz|Leiden|Porto|Malmo|Ghent|Brno|Tartu|Cork|Nantes|Bergen|Split|Kassel"


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace("\n", "").split("|")]


SUBJECTS, VERBS, OBJECTS, WHEN, PLACES = map(_words, (_SUBJECTS, _VERBS, _OBJECTS, _WHEN, _PLACES))


def sentence(rng: random.Random) -> str:
    """One sentence; hardly any two are the same."""
    when = rng.choice(WHEN).format(n=rng.randrange(2, 4000))
    made = f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)} in {rng.choice(PLACES)} {when}"
    if rng.random() < 0.4:
        made += f", and {rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}"
    return made[0].upper() + made[1:] + "."


def _paragraph(rng: random.Random) -> str:
    return " ".join(sentence(rng) for _ in range(rng.randint(2, 6)))


def _list(rng: random.Random) -> str:
    return "\n".join(f"- {sentence(rng)}" for _ in range(rng.randint(2, 6)))


def _table(rng: random.Random) -> str:
    rows = [f"| {rng.choice(PLACES)} | {rng.choice(OBJECTS)} | {rng.randrange(9000)} |" for _ in range(5)]
    return "\n".join(["| Site | What | Limit |", "| --- | --- | --- |", *rows])


def _code(rng: random.Random) -> str:
    lines = [f"{rng.choice(VERBS)}_{rng.choice(PLACES).lower()} = {rng.randrange(9000)}" for _ in range(6)]
    return "\n".join(["```python", *lines, "```"])


def document(number: int, characters: int) -> str:
    """A document of about that many characters."""
    rng = random.Random(number)
    parts = [f"# {rng.choice(OBJECTS).capitalize()} in {rng.choice(PLACES)}"]
    size = len(parts[0])
    while size < characters:
        block = rng.choices((_paragraph, _list, _table, _code), (12, 4, 1, 1))[0]
        if rng.random() < 0.25:
            parts.append(f"## {rng.choice(OBJECTS).capitalize()} for {rng.choice(SUBJECTS)}")
        parts.append(block(rng)[: max(80, characters - size)])
        size += len(parts[-1])
    return "\n\n".join(parts) + "\n"


def write(folder: Path, numbers: range, characters: int) -> Iterator[str]:
    """Write documents, a hundred to a folder; yields their texts."""
    for number in numbers:
        text = document(number, characters)
        path = folder / f"chapter-{number // 100}" / f"page-{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        yield text
