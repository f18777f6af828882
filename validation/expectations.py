"""The expectations of Great Expectations that a rules file may use by name, with what each may be given.

Checked at start, without loading Great Expectations. Left out are those that judge a table as a whole, for they cannot
say which document failed, and those with regular expressions, for Python's may never end: `forbid` and `require` do.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Literal["document", "id", "text", "hash", "headings"]
Number = Literal["ordinal", "tokens", "limit", "characters", "page"]
Column = Literal[Text, Number]
Value = str | int | Annotated[float, Field(allow_inf_nan=False)]
Bound = int | Annotated[float, Field(allow_inf_nan=False)] | None


class Given(BaseModel):
    """What an expectation is given. Of `mostly` none has any: every row of a document counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class OfColumn(Given):
    """About one column."""

    column: Column


class OfSet(OfColumn):
    """A column's values, and a set of them."""

    value_set: Annotated[list[Value], Field(min_length=1)]


class OfLength(Given):
    """The length of a column's texts."""

    column: Text
    value: Annotated[int, Field(ge=0)]


class _Bounds(Given):
    min_value: Bound = None
    max_value: Bound = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        low, high = self.min_value, self.max_value
        if low is None and high is None:
            raise ValueError("it has neither min_value nor max_value")
        if low is not None and high is not None and (low > high or (low == high and self.strict_min | self.strict_max)):
            raise ValueError(f"no value is between {low} and {high}")
        return self


class OfNumbers(_Bounds):
    """Bounds of a column's numbers."""

    column: Number


class OfLengths(_Bounds):
    """Bounds of the lengths of a column's texts."""

    column: Text


class OfPair(Given):
    """Two columns, row by row."""

    column_A: Column  # noqa: N815 - its name there
    column_B: Column  # noqa: N815


class OfNumberPair(Given):
    """Two columns of numbers, row by row."""

    column_A: Number  # noqa: N815
    column_B: Number  # noqa: N815
    or_equal: bool = False


KNOWN: Mapping[str, type[Given]] = {
    "expect_column_values_to_be_null": OfColumn,
    "expect_column_values_to_not_be_null": OfColumn,
    "expect_column_values_to_be_in_set": OfSet,
    "expect_column_values_to_not_be_in_set": OfSet,
    "expect_column_values_to_be_between": OfNumbers,
    "expect_column_value_lengths_to_equal": OfLength,
    "expect_column_value_lengths_to_be_between": OfLengths,
    "expect_column_pair_values_to_be_equal": OfPair,
    "expect_column_pair_values_a_to_be_greater_than_b": OfNumberPair,
    "expect_column_values_to_be_unique": OfColumn,
}
#: Those that compare documents of a batch with each other.
OTHERS = frozenset({"expect_column_values_to_be_unique"})
