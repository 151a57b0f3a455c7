"""The picture of docs/tokens.md is drawn from what the tokenizer writes."""

import importlib.util
import re

import pytest
from documentation.blocks import ROOT

SCRIPT = ROOT / "tools" / "draw_tokens.py"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("draw_tokens", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.picture_page()


def test_each_row_shows_event_words_and_tokens(page):
    row = next(row for row in page.split("<tr>") if "MI_Click" in row)
    assert "&#34;source&#34;: 2, &#34;type&#34;: 2, &#34;id&#34;: 47" in row
    tokens = re.findall(r"<b [^>]*>([^<]+)</b>", row)
    assert tokens == ["MI_Click", "DT_0", "REF_0", "TAG_input", "X_4", "Y_5", "PT_Mouse"]


def test_what_was_typed_stands_in_the_recording_and_in_no_token(page):
    assert "&#34;text&#34;: &#34;Karl&#34;" in page
    tokens = re.findall(r"<b [^>]*>([^<]+)</b>", page)
    assert len(tokens) > 100
    assert not [token for token in tokens if "Kar" in token]


def test_the_picture_stands_on_its_page():
    text = (ROOT / "docs" / "tokens.md").read_text()
    assert "](pictures/recording_and_tokens.png)" in text
    assert (ROOT / "docs" / "pictures" / "recording_and_tokens.png").is_file()
