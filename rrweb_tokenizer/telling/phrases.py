"""What tokens are called when a session is told: words for a reader, as data.

What has no phrase here is told by its own name, so that new tokens need none.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIONS",
    "CHOOSES",
    "CLICKABLE",
    "DIRECTIONS",
    "DISTANCES_PX",
    "EDITS",
    "ELEMENTS",
    "FILLABLE",
    "GOES_TO",
    "HEADINGS",
    "KEYFRAMES",
    "LABELS",
    "MARKS",
    "ROLES",
    "SCROLL_DEPTHS",
    "SCROLL_STEPS",
    "VALUES",
    "VERBS",
    "VIEWPORTS",
]

# Head -> the verb. Scrolls add a direction; inputs and addresses choose one of `VERBS`.
ACTIONS: Final[dict[str, str]] = {
    "[EV_DomContentLoaded]": "page parsed",
    "[EV_Load]": "page loaded",
    "[EV_FullSnapshot]": "page shown",
    "[EV_Incremental]": "unknown change",
    "[EV_Meta]": "stays on",
    "[EV_Custom]": "custom event",
    "[EV_Plugin]": "plugin",
    "[EV_Asset]": "asset",
    "[EV_Annotation]": "note",
    "[EV_UNKNOWN]": "unknown event",
    "[TAB]": "goes to",
    "[IS_Mutation]": "page changes",
    "[IS_MouseMove]": "moves mouse",
    "[IS_MouseInteraction]": "unknown action",
    "[IS_Scroll]": "scrolls",
    "[IS_ViewportResize]": "resizes",
    "[IS_Input]": "fills in",
    "[IS_TouchMove]": "moves finger",
    "[IS_MediaInteraction]": "media",
    "[IS_StyleSheetRule]": "style rules",
    "[IS_CanvasMutation]": "canvas drawn",
    "[IS_Font]": "font loaded",
    "[IS_Log]": "console",
    "[IS_Drag]": "drags",
    "[IS_StyleDeclaration]": "style rules",
    "[IS_Selection]": "selects",
    "[IS_AdoptedStyleSheet]": "style sheets",
    "[IS_CustomElement]": "new element",
    "[MI_MouseUp]": "releases",
    "[MI_MouseDown]": "presses",
    "[MI_Click]": "clicks",
    "[MI_ContextMenu]": "right-clicks",
    "[MI_DblClick]": "double-clicks",
    "[MI_Focus]": "focuses",
    "[MI_Blur]": "leaves",
    "[MI_TouchStart]": "touches",
    "[MI_TouchMove_Departed]": "finger leaves",
    "[MI_TouchEnd]": "lifts finger",
    "[MI_TouchCancel]": "touch ends",
    "[ME_Play]": "plays",
    "[ME_Pause]": "pauses",
    "[ME_Seeked]": "seeks in",
    "[ME_VolumeChange]": "sets volume",
    "[ME_RateChange]": "sets speed",
}

# What is done to a form field -> the verb.
EDITS: Final[dict[str, str]] = {
    "[ED_TYPED]": "types",
    "[ED_DELETED]": "deletes",
    "[ED_REPLACED]": "replaces",
    "[ED_CLEARED]": "clears",
    "[IN_CHECKED]": "ticks",
    "[IN_UNCHECKED]": "unticks",
}
CHOOSES: Final = "chooses"  # of a list of options
GOES_TO: Final = "goes to"  # an address that is not the one before
# Heads whose events choose their verb by their fields -> all of them.
VERBS: Final[dict[str, tuple[str, ...]]] = {
    "[IS_Input]": (*EDITS.values(), CHOOSES),
    "[EV_Meta]": (GOES_TO, ACTIONS["[EV_Meta]"]),
}

# Key tokens of keyframes.
KEYFRAMES: Final[dict[str, str]] = {
    "[KEY_HEAD]": "the session begins",
    "[KEY_MID]": "a chapter begins",
    "[KEY_TAIL]": "the last chapter begins",
    "[KEY_CONT]": "a chapter begins within the event",
}

# Tags and input types -> what a visitor would call the element; a role wins over both.
ELEMENTS: Final[dict[str, str]] = {
    "a": "link",
    "img": "image",
    "svg": "icon",
    "p": "paragraph",
    "li": "list item",
    "ul": "list",
    "ol": "list",
    "select": "drop-down",
    "textarea": "text area",
    "input": "text field",
    "nav": "navigation",
    "td": "table cell",
    "th": "table heading",
    "tr": "table row",
    "custom-element": "custom element",
    "other-html": "element",
    "other-svg": "drawing",
    "svg-text": "drawn text",
    **{f"h{level}": "heading" for level in range(1, 7)},
}
INPUT_TYPES: Final[dict[str, str]] = {
    "text": "text field",
    "email": "e-mail field",
    "tel": "phone field",
    "url": "address field",
    "datetime-local": "date and time field",
    "radio": "radio button",
    "submit": "button",
    "button": "button",
    "reset": "reset button",
    "image": "image button",
    "checkbox": "checkbox",
    "range": "slider",
    "file": "file chooser",
}
ROLES: Final[dict[str, str]] = {
    "combobox": "drop-down",
    "textbox": "text field",
    "radio": "radio button",
    "tabpanel": "tab panel",
    "tablist": "tabs",
    "menuitem": "menu item",
    "listbox": "list box",
    "progressbar": "progress bar",
    "img": "image",
}
# Attributes that name an element, the first that it has, when it has no text of its own.
LABELS: Final = ("aria-label", "alt", "title", "placeholder", "value", "name", "data-testid", "id")

# What counts as what in a page's summary: tags, input types and roles.
CLICKABLE: Final = {
    "a": "link",
    "link": "link",
    **dict.fromkeys(("button", "submit", "reset", "image", "tab", "menuitem", "switch"), "button"),
}
FILLABLE: Final = {
    **dict.fromkeys(("select", "textarea", "combobox", "textbox", "listbox", "slider"), "field"),
    "input": "field",
    "checkbox": "checkbox",
    "radio": "radio button",
}
HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")

# From right, clockwise in eighths of a turn; `quantize.direction_to_bin` counts sixteenths.
DIRECTIONS: Final = (
    *("right", "down and right", "down", "down and left"),
    *("left", "up and left", "up", "up and right"),
)
DISTANCES_PX: Final = (1, 3, 6, 11, 23, 45, 90, 180, 360, 700)
# By `quantize.scroll_step_to_bin` and `scroll_depth_to_bin`.
SCROLL_STEPS: Final = (
    "a little",
    "a quarter of the viewport",
    "most of the viewport",
    "more than a viewport",
)
SCROLL_DEPTHS: Final = (
    "near the top",
    "in the first viewport",
    "1 to 2 viewports deep",
    "2 to 4 viewports deep",
    "4 to 8 viewports deep",
    "over 8 viewports deep",
)

VIEWPORTS: Final = {"[VW_0]": "under 480", "[VH_0]": "under 600"}

# Form values; the characters themselves are never kept.
VALUES: Final[dict[str, str]] = {
    "[VAL]": "text",
    "[V_EMPTY]": "nothing",
    "[V_MASKED]": "masked text",
    "[V_EMAIL]": "an e-mail address",
    "[V_PHONE]": "a phone number",
    "[V_CARD]": "a card number",
    "[V_SSN_ID]": "an identity number",
    "[V_NUMBER]": "a number",
    "[V_MONEY]": "an amount of money",
    "[V_DATE]": "a date",
    "[V_TIME]": "a time",
    "[V_UUID_HEX]": "a hexadecimal id",
    "[V_URL]": "a web address",
    "[V_IP]": "an IP address",
    "[V_LONGTEXT]": "a long text",
    "[V_ADDRESS]": "a street address",
    "[V_IBAN]": "a bank account",
    "[V_TOKEN]": "a random string",
    "[V_NAME]": "a name",
}

# Tokens that may be told wherever they stand.
MARKS: Final[dict[str, str]] = {
    "[PT_Mouse]": "with the mouse",
    "[PT_Pen]": "with a pen",
    "[PT_Touch]": "with a finger",
    "[IN_USER]": "by hand",
    "[IN_PROG]": "by a script",
    "[VIS_HIDDEN]": "page hidden",
    "[VIS_VISIBLE]": "page visible",
    "[SNAP_SAME]": "as before",
    "[NO_SNAPSHOT]": "what the page shows is not known",
    "[CV_2D]": "2D",
    "[CV_WebGL]": "WebGL",
    "[CV_WebGL2]": "WebGL 2",
    "[CON_log]": "logs",
    "[CON_info]": "informs",
    "[CON_warn]": "warns",
    "[CON_error]": "reports an error",
    "[CON_debug]": "logs for debugging",
    "[MUT_STYLE]": "change",
    "[MUTED]": "muted",
    "[ED_REPLACED]": "replaced as a whole",
    "[R_IMG]": "image",
    "[R_SVG]": "drawing",
    "[R_FONT]": "font",
    "[R_CSS]": "style sheet",
    "[R_JS]": "script",
    "[R_VIDEO]": "video",
    "[R_AUDIO]": "sound",
    "[R_DATA]": "inline data",
    "[R_BLOB]": "data made by the page",
    "[R_OTHER]": "file",
    "[ST_HIDE]": "hidden",
    "[ST_SHOW]": "shown",
    "[ST_OPACITY]": "opacity",
    "[ST_TRANSFORM]": "transform",
    "[ST_SIZE]": "size",
    "[ST_POSITION]": "position",
    "[ST_COLOR]": "colour",
    "[ST_OTHER]": "style",
    "[NET_GET]": "GET",
    "[NET_POST]": "POST",
    "[NET_PUT_PATCH]": "PUT or PATCH",
    "[NET_DELETE]": "DELETE",
    "[NET_OTHER]": "another method",
    "[NET_2xx]": "succeeds",
    "[NET_3xx]": "is redirected",
    "[NET_4xx]": "is refused",
    "[NET_5xx]": "fails on the server",
    "[NET_FAIL]": "fails",
    "[NI_fetch_xhr]": "by a script",
    "[NI_navigation]": "for a page",
    "[NI_resource]": "for a resource",
    "[NI_beacon_ping]": "as a beacon",
}
