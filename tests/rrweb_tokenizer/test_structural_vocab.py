import json
import re
from importlib import resources

import pytest

from rrweb_tokenizer import enums
from rrweb_tokenizer.structural_vocab import (
    GROUPS,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    VOCAB_SIZE,
    group_of,
    render_json,
)


def test_there_are_520_distinct_names_specials_first() -> None:
    assert len(STRUCTURAL_TOKENS) == len(set(STRUCTURAL_TOKENS)) == 520
    assert STRUCTURAL_TOKENS[:5] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert VOCAB_SIZE == 12_520


def test_shipped_json_is_generated_from_the_table() -> None:
    shipped = resources.files("rrweb_tokenizer").joinpath("structural_vocab.json").read_text()
    assert shipped == render_json()
    assert list(json.loads(shipped)) == list(STRUCTURAL_TOKENS)


def test_every_name_has_one_bracketed_form_without_inner_brackets_or_spaces() -> None:
    assert all(re.fullmatch(r"\[[^\[\]\s]+\]", token) for token in STRUCTURAL_TOKENS)


def test_groups_tile_the_ids_without_gaps() -> None:
    assert [i for group in GROUPS for i in range(group.start, group.stop)] == list(range(520))


@pytest.mark.parametrize(
    ("prefix", "members", "renamed"),
    [
        ("MI_", enums.MouseInteractions, {}),
        ("PT_", enums.PointerTypes, {}),
        ("ME_", enums.MediaInteractions, {}),
        ("NT_", enums.NodeType, {}),
        ("IS_", enums.IncrementalSource, {}),
        ("CV_", enums.CanvasContext, {"D2": "2D"}),
        ("EV_", enums.EventType, {"IncrementalSnapshot": "Incremental"}),
    ],
)
def test_enum_tokens_stand_in_the_order_of_rrwebs_numbers(prefix, members, renamed) -> None:
    first = STRUCTURAL_IDS[f"[{prefix}{renamed.get(members(0).name, members(0).name)}]"]
    for member in members:
        name = renamed.get(member.name, member.name)
        assert STRUCTURAL_IDS[f"[{prefix}{name}]"] == first + member.value


def test_group_of_names_text_and_refuses_ids_outside_the_vocabulary() -> None:
    assert (group_of(0), group_of(50), group_of(520), group_of(12_519)) == (
        "special",
        "MouseInteractions",
        "text",
        "text",
    )
    for outside in (-1, 65_536):
        with pytest.raises(ValueError, match="outside"):
            group_of(outside)
