import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.inline_style import MAX_DECLARATIONS, change_style, parse_style


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("color: red; top: 0", {"top": "5px", "color": False}, "top: 5px;"),
        ("", {"top": ["1px", "important"], "left": ["2px", ""]}, "top: 1px !important; left: 2px;"),
        ("COLOR:red", {"--My-Var": "A"}, "color: red; --My-Var: A;"),
        ("background: url('a;b:c')", {"top": "0"}, "background: url('a;b:c'); top: 0;"),
        ("margin-top: 1px; margin: 2px", {"margin-top": "3px"}, "margin: 2px; margin-top: 3px;"),
        (
            "margin: 1px 2px",
            {"margin-top": False},
            "margin-right: 2px; margin-bottom: 1px; margin-left: 2px;",
        ),
        ("overflow: hidden", {"overflow-x": False}, "overflow-y: hidden;"),
        ("margin: 1px", {f"margin-{s}": False for s in ("top", "right", "bottom", "left")}, ""),
        ("outline: 1px solid red", {"outline-color": False}, "outline: 1px solid red;"),
        (
            "outline: 1px solid red",
            {f"outline-{part}": False for part in ("color", "style", "width")},
            "",
        ),
        ("gap: 1px !important", {"row-gap": False}, "column-gap: 1px !important;"),
        ("flex: inherit", {"flex-grow": False}, "flex-shrink: inherit; flex-basis: inherit;"),
        ("border: 0; border-top-color: red", {"border": False}, ""),
        ("nonsense; : x; y:", {"top": None, "left": ""}, ""),
    ],
)
def test_changes_of_properties_become_the_text_of_the_attribute(text, changes, expected) -> None:
    assert change_style(parse_style(text), changes) == expected


@given(st.text("a-:;('\"\\ )!"), st.dictionaries(st.text(max_size=8), st.none() | st.text()))
def test_no_style_however_odd_raises(text, changes) -> None:
    declarations = parse_style(text)
    written = change_style(declarations, changes)
    assert written.count(": ") >= len(declarations)


def test_a_style_declares_at_most_as_much_as_the_limit() -> None:
    many = {f"--p{number}": "1" for number in range(MAX_DECLARATIONS + 5)}
    declarations = parse_style(";".join(f"{name}: {value}" for name, value in many.items()))
    assert list(declarations) == list(many)[:MAX_DECLARATIONS]
    assert change_style(declarations, {"color": "red"}).count(";") == MAX_DECLARATIONS
    assert change_style(declarations, {"--p0": "2"}).endswith(" --p0: 2;")
