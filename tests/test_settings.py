"""Overrides, YAML and the answer to a misspelt key."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from vlm_autodrive.errors import UserError
from vlm_autodrive.settings import (
    Settings,
    describe_settings,
    merge_values,
    parse_overrides,
    parse_settings,
    parse_yaml,
)


class Inner(Settings):
    """Inner.

    Attributes:
        rank: How many
            directions.
    """

    rank: int = Field(16, ge=1)


class Outer(Settings):
    """Outer.

    Attributes:
        epochs: Passes.
        import_: What is read.

    More text.
    """

    epochs: float = 1.0
    import_: Inner = Field(default=Inner(), alias="import")
    lora: Inner | None = None
    places: tuple[str, ...] = ("a", "b")


KEYS = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8) | st.floats(-1e6, 1e6)
TREES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3), lambda t: st.dictionaries(KEYS, t, min_size=1, max_size=3)
)


def flatten(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}=" + yaml.safe_dump(value, default_flow_style=True)


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_overrides_say_what_the_nested_yaml_says(tree):
    assert parse_overrides(list(flatten(tree))) == tree


def test_the_last_override_holds_and_siblings_stay():
    assert parse_overrides(["a.b=1", "a.c=x=y", "a.b=[1, 2]"]) == {"a": {"b": [1, 2], "c": "x=y"}}


def test_numbers_as_people_write_them_become_numbers():
    chosen = parse_settings(Outer, parse_overrides(["epochs=1e-4", "import.rank=8"]), "here")
    assert chosen.epochs == 1e-4
    assert chosen.import_.rank == 8


@pytest.mark.parametrize("text", ["epochs", "=2", "a..b=1", "a b=1", ".a=1", "3=4"])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(UserError, match="key=value"):
        parse_overrides([text])


def test_broken_yaml_is_refused_with_its_place():
    with pytest.raises(UserError, match=r"file\.yaml, line 2"):
        parse_yaml("a: 1\nb: [", "file.yaml")


def test_a_key_that_stands_twice_is_refused():
    with pytest.raises(UserError, match="line 3: epochs appears twice"):
        parse_yaml("train:\n  epochs: 1\n  epochs: 2\n", "r")


def test_merging_leaves_the_base_as_it_was():
    base = {"a": {"b": 1, "c": 2}, "d": {"e": 1}}
    assert merge_values(base, {"a": {"b": 5}, "d": None}) == {"a": {"b": 5, "c": 2}, "d": None}
    assert base == {"a": {"b": 1, "c": 2}, "d": {"e": 1}}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epoch": 2}, "there is no setting epoch; did you mean epochs?"),
        ({"imports": {}}, "there is no setting imports; did you mean import?"),
        ({"import": {"ranks": 2}}, "there is no setting import.ranks; did you mean rank?"),
        ({"lora": {"rnk": 2}}, "there is no setting lora.rnk; did you mean rank?"),
        ({"zzz": 2}, "the keys here are epochs, import, lora, places"),
        ({"places": "a"}, "places: write a list in brackets, such as [a]"),
        ({"import": {"rank": 0}}, "import.rank must be at least 1, not 0"),
    ],
)
def test_a_mistake_is_told_by_its_key(values, sentence):
    with pytest.raises(UserError) as caught:
        parse_settings(Outer, values, "recipe mine")
    assert str(caught.value).startswith("recipe mine: ")
    assert sentence in str(caught.value)


def test_every_mistake_is_told_at_once():
    with pytest.raises(UserError, match=r"import\.rank must be .*; there is no setting epoch"):
        parse_settings(Outer, {"epoch": 1, "import": {"rank": "many"}}, "r")


def test_settings_are_described_from_their_docstrings():
    assert describe_settings(Outer) == [
        ("epochs", "1.0", "Passes."),
        ("import.rank", "16", "How many directions."),
        ("lora", "null", ""),
        ("lora.rank", "16", "How many directions."),
        ("places", "[a, b]", ""),
    ]
