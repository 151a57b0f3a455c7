"""The 520 structural tokens: an ordered sum of groups, specials first.

The id of a structural token is its place in `STRUCTURAL_TOKENS`; text pieces follow from
`TEXT_ID_OFFSET` on. `structural_vocab.json` beside this module is generated from this table
(`python -m rrweb_tokenizer.structural_vocab`) and a test holds the two equal.

Layout (half-open id ranges):

    0..5      specials            123..207  HTML and SVG tags   406..414  elapsed in session
    5..21     context, fields     207..263  attribute names     414..431  scroll
    21..76    rrweb enums         263..309  types, roles, bool  431..453  viewport, counts
    76..95    mutations, tree     309..375  place and motion    453..482  values, edits, page state
    95..123   node references     375..406  time deltas         482..520  console .. reserved
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

__all__ = [
    "CLS_ID",
    "GROUPS",
    "MASK_ID",
    "MAX_VOCAB_SIZE",
    "NUM_STRUCTURAL",
    "NUM_TEXT_PIECES",
    "PAD_ID",
    "SEP_ID",
    "STRUCTURAL_IDS",
    "STRUCTURAL_TOKENS",
    "TEXT_GROUP",
    "TEXT_ID_OFFSET",
    "UNK_ID",
    "VOCAB_SIZE",
    "Group",
    "group_of",
]

PAD_ID: Final = 0
UNK_ID: Final = 1
CLS_ID: Final = 2
SEP_ID: Final = 3
MASK_ID: Final = 4

NUM_STRUCTURAL: Final = 520
NUM_TEXT_PIECES: Final = 12_000
TEXT_ID_OFFSET: Final = NUM_STRUCTURAL
VOCAB_SIZE: Final = NUM_STRUCTURAL + NUM_TEXT_PIECES
# Other text models may have fewer or more pieces, as long as ids fit 16 bits.
MAX_VOCAB_SIZE: Final = 1 << 16
TEXT_GROUP: Final = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A run of structural tokens of one kind: `tokens` have ids `start <= id < stop`, in order."""

    name: str
    start: int
    stop: int
    tokens: tuple[str, ...]


def _prefixed(prefix: str, values: str) -> tuple[str, ...]:
    """`_prefixed("PT_", "Mouse Pen")` is `("[PT_Mouse]", "[PT_Pen]")`."""
    return tuple(f"[{prefix}{value}]" for value in values.split())


def _numbered(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"[{prefix}{number}]" for number in range(count))


_HTML_TAGS = (
    "html head body title meta link style script noscript div span p a img ul ol li dl dt dd "
    "h1 h2 h3 h4 h5 h6 header footer main nav section article aside "
    "form input button select option textarea label fieldset legend progress "
    "table thead tbody tr td th b i strong em small br hr code pre blockquote "
    "iframe video audio source canvas picture figure figcaption details summary dialog slot "
    "template custom-element other-html"
)
_ATTRIBUTES = (
    "id class style title lang hidden tabindex href src srcset alt target rel download "
    "type name value placeholder for action method autocomplete required disabled readonly "
    "checked selected multiple min max maxlength role aria-label aria-hidden aria-expanded "
    "aria-selected aria-checked aria-disabled aria-current aria-pressed aria-haspopup "
    "aria-invalid aria-live aria-modal data-testid data-state open contenteditable draggable "
    "rr_size rr_scroll rr_media aria-* data-* on* other"
)
_INPUT_TYPES = (
    "text password email tel number search url checkbox radio submit button reset file hidden "
    "date datetime-local time color range image"
)
_ROLES = (
    "button link checkbox radio tab tabpanel tablist menu menuitem listbox option combobox "
    "dialog alert status tooltip navigation switch textbox progressbar img toolbar slider row"
)
_INCREMENTAL_SOURCES = (
    "Mutation MouseMove MouseInteraction Scroll ViewportResize Input TouchMove MediaInteraction "
    "StyleSheetRule CanvasMutation Font Log Drag StyleDeclaration Selection AdoptedStyleSheet "
    "CustomElement"
)

# Group name -> its tokens. The order is the id order and is frozen with the first text model.
_GROUP_TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "special": _prefixed("", "PAD UNK CLS SEP MASK"),
    "context": _prefixed(
        "",
        "KEY_HEAD KEY_MID KEY_TAIL KEY_CONT TRUNC ELIDED NO_SNAPSHOT TAB NAV URL HOST PATH QUERY "
        "HASH TXT VAL",
    ),
    "EventType": _prefixed(
        "EV_",
        "DomContentLoaded Load FullSnapshot Incremental Meta Custom Plugin Asset Annotation "
        "UNKNOWN",
    ),
    "IncrementalSource": _prefixed("IS_", _INCREMENTAL_SOURCES),
    "MouseInteractions": _prefixed(
        "MI_",
        "MouseUp MouseDown Click ContextMenu DblClick Focus Blur TouchStart TouchMove_Departed "
        "TouchEnd TouchCancel",
    ),
    "PointerTypes": _prefixed("PT_", "Mouse Pen Touch"),
    "MediaInteractions": _prefixed("ME_", "Play Pause Seeked VolumeChange RateChange"),
    "CanvasContext": _prefixed("CV_", "2D WebGL WebGL2"),
    "NodeType": _prefixed("NT_", "Document DocumentType Element Text CDATA Comment"),
    "mutation": _prefixed("MUT_", "ADD REMOVE MOVE ATTR ATTR_DEL STYLE TEXT REPEAT"),
    "tree": _prefixed(
        "",
        "UP_1 UP_2 UP_3 UP_4 UP_5 UP_6+ SHADOW_ROOT IFRAME_DOC WRAPPED BLOCKED SNAP_SAME",
    ),
    "reference": ("[REF_NEW]", *_numbered("REF_", 12), *_prefixed("REF_", "DOC GONE UNK")),
    "depth": _prefixed("DEPTH_", "0-3 4-7 8-11 12-15 16-23 24+"),
    "sibling": _prefixed("NTH_", "0 1 2 3-5 6-11 12+"),
    "tag": _prefixed("TAG_", _HTML_TAGS),
    "svg tag": _prefixed("TAG_", "svg g path rect circle line polygon use svg-text other-svg"),
    "attribute": _prefixed("AT_", _ATTRIBUTES),
    "input type": _prefixed("TYPE_", _INPUT_TYPES),
    "role": _prefixed("ROLE_", _ROLES),
    "boolean": _prefixed("", "TRUE FALSE"),
    "x": _numbered("X_", 20),
    "y": _numbered("Y_", 20),
    "direction": _numbered("DIR_", 16),
    "distance": _numbered("DIST_", 10),
    "time delta": _numbered("DT_", 31),
    "elapsed": _numbered("EL_", 8),
    "scroll": _prefixed(
        "",
        "SY_DOWN_1 SY_DOWN_2 SY_DOWN_3 SY_DOWN_4 SY_UP_1 SY_UP_2 SY_UP_3 SY_UP_4 S_TOP "
        "SX_LEFT SX_RIGHT",
    ),
    "scroll depth": _numbered("SDEPTH_", 6),
    "viewport": _prefixed(
        "", "VW_0 VW_480 VW_768 VW_1024 VW_1440 VW_1920+ VH_0 VH_600 VH_800 VH_1000+"
    ),
    "count": _prefixed("N_", "0 1 2 3 4-7 8-15 16-31 32-63 64-127 128-255 256-1023 1024+"),
    "value class": _prefixed(
        "V_",
        "EMPTY MASKED EMAIL PHONE CARD SSN_ID NUMBER MONEY DATE TIME UUID_HEX URL IP LONGTEXT "
        "ADDRESS IBAN TOKEN NAME",
    ),
    "edit and page state": _prefixed(
        "",
        "ED_TYPED ED_DELETED ED_REPLACED ED_CLEARED IN_CHECKED IN_UNCHECKED IN_USER IN_PROG "
        "VIS_HIDDEN VIS_VISIBLE MUTED",
    ),
    "console and network": _prefixed(
        "",
        "CON_log CON_info CON_warn CON_error CON_debug NET_GET NET_POST NET_PUT_PATCH NET_DELETE "
        "NET_OTHER NET_2xx NET_3xx NET_4xx NET_5xx NET_FAIL NI_fetch_xhr NI_navigation "
        "NI_resource NI_beacon_ping",
    ),
    "style change": _prefixed("ST_", "HIDE SHOW OPACITY TRANSFORM SIZE POSITION COLOR OTHER"),
    "resource": _prefixed("R_", "IMG SVG FONT CSS JS VIDEO AUDIO DATA BLOB OTHER"),
    "reserved": _numbered("RES_", 1),
}


def _build_groups() -> tuple[Group, ...]:
    stops = list(accumulate(len(tokens) for tokens in _GROUP_TOKENS.values()))
    starts = [0, *stops[:-1]]
    return tuple(
        Group(name=name, start=start, stop=stop, tokens=tokens)
        for (name, tokens), start, stop in zip(_GROUP_TOKENS.items(), starts, stops, strict=True)
    )


GROUPS: Final[tuple[Group, ...]] = _build_groups()
STRUCTURAL_TOKENS: Final[tuple[str, ...]] = tuple(t for group in GROUPS for t in group.tokens)
STRUCTURAL_IDS: Final[dict[str, int]] = {token: i for i, token in enumerate(STRUCTURAL_TOKENS)}
assert len(STRUCTURAL_TOKENS) == len(STRUCTURAL_IDS) == NUM_STRUCTURAL  # noqa: S101 - a broken table must not start

_GROUP_OF_ID: Final[tuple[str, ...]] = tuple(g.name for g in GROUPS for _ in g.tokens)


def group_of(token_id: int) -> str:
    """The group name of an id; `"text"` for every id from 520 on.

    Raises:
        ValueError: `token_id` is outside `0 <= id < 65536`, and so no id of any text model.
    """
    if not 0 <= token_id < MAX_VOCAB_SIZE:
        raise ValueError(f"token id {token_id} is outside 0..{MAX_VOCAB_SIZE - 1}")
    return _GROUP_OF_ID[token_id] if token_id < NUM_STRUCTURAL else TEXT_GROUP


def render_json() -> str:
    """The text of `structural_vocab.json`: token -> id, one a line, in id order."""
    return json.dumps(STRUCTURAL_IDS, indent=0, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".json").write_text(render_json(), encoding="utf-8")
