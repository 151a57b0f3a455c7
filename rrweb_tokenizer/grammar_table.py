"""Which token may follow which: the table behind `grammar`, as data.

Read the table aloud: "after the class on the left comes one of the classes on the right". A class
is a group of the vocabulary, or the part of one that `CLASSES` sets apart; names in capitals are
`SETS` of classes. An event is `head, time delta, fields`, and a time delta tells nothing about what
comes next: that stands in `FIRST_FIELDS`, head by head.

To extend it: a token that behaves as its group does needs nothing. One that does not gets a class
in `CLASSES` with a row in `FOLLOWERS`, and its name in the rows of what it may follow; a head gets
a row in `FIRST_FIELDS`. Tests fail while a class has no row or nothing that leads to it, and where
the serializer writes what the table forbids.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CLASSES", "FIRST_FIELDS", "FOLLOWERS", "NEVER_WRITTEN", "SETS"]

# Tokens that the serializer has no use for.
NEVER_WRITTEN: Final = "UNK NT_Element RES_0"

# Class -> its tokens, without brackets. What these leave of a group is the class of its name.
CLASSES: Final[dict[str, str]] = {
    "never": NEVER_WRITTEN,
    "cls": "CLS",
    "sep": "SEP",
    "pad": "PAD",
    "mask": "MASK",
    # Keyframes. [KEY_CONT] stands within pages and long mutations, and before counts of repeats.
    "first key": "KEY_HEAD",
    "key": "KEY_MID KEY_TAIL",
    "key within": "KEY_CONT",
    "tab": "TAB",
    "no snapshot": "NO_SNAPSHOT",
    "width": "VW_0 VW_480 VW_768 VW_1024 VW_1440 VW_1920+",
    "height": "VH_0 VH_600 VH_800 VH_1000+",
    # Addresses, texts, values.
    "went": "NAV",
    "url": "URL",
    "host": "HOST",
    "path": "PATH",
    "query": "QUERY",
    "hash": "HASH",
    "txt": "TXT",
    "val": "VAL",
    "cut": "TRUNC",
    "left out": "ELIDED",
    "no value": "V_EMPTY",
    "form value": "V_LONGTEXT",
    "link value": "V_EMAIL V_PHONE V_URL",
    "code or blob": "R_JS R_BLOB",
    "data": "R_DATA",
    # Elements.
    "up": "UP_1 UP_2 UP_3 UP_4 UP_5 UP_6+",
    "shadow": "SHADOW_ROOT",
    "frame": "IFRAME_DOC",
    "wrapped": "WRAPPED",
    "blocked": "BLOCKED",
    "same page": "SNAP_SAME",
    "svg": "TAG_svg",
    "closed tag": "TAG_textarea TAG_script TAG_style TAG_link TAG_meta TAG_noscript TAG_template",
    "new": "REF_NEW",
    "no element": "REF_DOC REF_GONE REF_UNK",
    # Attributes by what their values are; the first of a kind are written of pages and of targets,
    # the others only where they change.
    "class names": "AT_class",
    "label": (
        "AT_id AT_name AT_alt AT_title AT_placeholder AT_aria-label AT_data-testid AT_data-state "
        "AT_autocomplete"
    ),
    "other label": "AT_for AT_target AT_rel AT_lang AT_method",
    "link": "AT_href",
    "other link": "AT_action",
    "source": "AT_src",
    "other source": "AT_srcset",
    "flag": (
        "AT_hidden AT_required AT_disabled AT_readonly AT_checked AT_selected AT_multiple AT_open "
        "AT_contenteditable AT_draggable AT_download AT_aria-hidden AT_aria-expanded "
        "AT_aria-selected AT_aria-checked AT_aria-disabled AT_aria-current AT_aria-pressed "
        "AT_aria-haspopup AT_aria-invalid AT_aria-modal AT_rr_media"
    ),
    "other flag": "AT_aria-live",
    "size": "AT_rr_scroll AT_rr_size",
    "number": "AT_min AT_max AT_maxlength AT_tabindex",
    "value": "AT_value",
    # Mutations.
    "add": "MUT_ADD",
    "remove": "MUT_REMOVE",
    "move": "MUT_MOVE",
    "change": "MUT_ATTR",
    "delete": "MUT_ATTR_DEL",
    "restyle": "MUT_STYLE",
    "retext": "MUT_TEXT",
    "repeat": "MUT_REPEAT",
    # Actions and plugins.
    "scroll aside": "SX_LEFT SX_RIGHT",
    "edit": "ED_TYPED ED_DELETED ED_REPLACED ED_CLEARED",
    "checked": "IN_CHECKED IN_UNCHECKED",
    "by whom": "IN_USER IN_PROG",
    "muted": "MUTED",
    "visibility": "VIS_HIDDEN VIS_VISIBLE",
    "console": "CON_log CON_info CON_warn CON_error CON_debug",
    "method": "NET_GET NET_POST NET_PUT_PATCH NET_DELETE NET_OTHER",
    "initiator": "NI_fetch_xhr NI_navigation NI_resource NI_beacon_ping",
    "outcome": "NET_2xx NET_3xx NET_4xx NET_5xx NET_FAIL",
}

SETS: Final[dict[str, str]] = {
    "HEAD": "EventType, IncrementalSource, MouseInteractions, MediaInteractions, tab",
    "EVENT_END": "HEAD, key",
    # What follows an event of a kind whose repeats are counted.
    "RUN_END": "EVENT_END, repeat, key within",
    "WORD": "text, value class, link value",
    "TAG": "tag, svg tag, svg, closed tag",
    "TARGET": "new, reference, no element",
    # What opens a node of a page or an added one, and what follows such a node. Text right after
    # a tag, a flag or the like needs no mark; what can hold nothing needs no closing.
    "NODE": "TAG, wrapped, shadow, frame, txt",
    "NODE_END": "NODE, up, left out, key within, MUTATION, EVENT_END",
    "MUTATION": "add, move, change, retext",
    "CHANGE": "delete, restyle, data",
    # Attributes of a node or target, and all that can change.
    "NODE_ATTRIBUTE": "input type, role, class names, label, link, source, flag, size, value",
    "ATTRIBUTE": (
        "NODE_ATTRIBUTE, attribute, other label, other link, other source, other flag, number"
    ),
    # What follows an attribute that changed; one of a node, where a text area's value comes last;
    # one that may also be a target's.
    "CHANGED_END": "ATTRIBUTE, CHANGE, change, move, left out, key within, EVENT_END",
    "NODE_ATTRIBUTE_END": "CHANGED_END, NODE_END, FORM_VALUE",
    "ATTRIBUTE_END": "NODE_ATTRIBUTE_END, depth",
    "FORM_VALUE": "val, no value, form value, value class, link value",
    # What follows a target with its tag, and one without.
    "ACTION": "x, PointerTypes, FORM_VALUE, checked, sibling, count, muted, EVENT_END",
    "TARGET_END": (
        "ACTION, scroll, scroll aside, scroll depth, CanvasContext, TARGET, NODE, NodeType, "
        "ATTRIBUTE, CHANGE, left out, MUTATION"
    ),
    "ADDRESS": "host, path, query, hash, link value, code or blob, data",
    "KEYFRAME_END": "no snapshot, HEAD, up, NODE, MUTATION, left out, repeat",
    "ADDRESS_END": "width, ATTRIBUTE_END, KEYFRAME_END, EVENT_END",
}

# Class -> what may come next; what frames windows and [MASK] are added by `successor_matrix`.
FOLLOWERS: Final[dict[str, str]] = {
    "never": "",
    "cls": "first key, key, key within",
    "sep": "first key, key, key within, pad",
    "pad": "pad, cls",
    "mask": "",
    # Keyframes.
    "first key": "elapsed",
    "key": "elapsed",
    "key within": "elapsed",
    "elapsed": "width, tab",
    "tab": "sibling",
    "width": "height",
    "height": "scroll depth, EVENT_END",
    "no snapshot": "HEAD, repeat",
    # Addresses, texts, values.
    "went": "url, width, EVENT_END",
    "url": "ADDRESS",
    "host": "WORD, path, query, hash, ADDRESS_END",
    "path": "WORD, cut, query, hash, ADDRESS_END",
    "query": "WORD, query, hash, ADDRESS_END",
    "hash": "WORD, cut, ADDRESS_END",
    "code or blob": "outcome, ADDRESS_END",
    "data": "count, outcome, NODE_ATTRIBUTE_END",
    "resource": "outcome, NODE_ATTRIBUTE_END",
    "txt": "WORD, cut",
    "text": "WORD, cut, path, query, hash, ADDRESS_END, visibility, val, went",
    "value class": "WORD, cut, path, query, hash, ADDRESS_END, visibility, val, went, count",
    "link value": "WORD, cut, path, query, hash, ADDRESS_END, visibility, val, went, count",
    "cut": "WORD, query, hash, ADDRESS_END",
    "val": "count, WORD, val, went, EVENT_END",
    "no value": "edit, NODE_ATTRIBUTE_END",
    "form value": "count",
    "left out": "count",
    # A count ends values, addresses of data, snapshots' heads, mutations' parts, selections.
    "count": "edit, muted, same page, count, TARGET, method, ADDRESS_END",
    # Elements.
    "tag": "blocked, NODE_ATTRIBUTE, depth, ACTION, WORD, NODE_END",
    "svg tag": "blocked, NODE_ATTRIBUTE, depth, ACTION, WORD, NODE_END",
    "svg": "blocked, NODE_ATTRIBUTE, depth, ACTION, WORD, NODE_END",
    "closed tag": "blocked, NODE_ATTRIBUTE, depth, ACTION, WORD, NODE_END",
    "NodeType": "txt, depth, ACTION",
    "up": "NODE, WORD",
    "shadow": "wrapped, TAG",
    "frame": "WORD, NODE_END",
    "wrapped": "TAG",
    "blocked": "size, WORD, NODE_END",
    "same page": "EVENT_END",
    "new": "TAG, NodeType",
    "reference": "TAG, NodeType, TARGET_END",
    "no element": "TARGET_END",
    "depth": "sibling",
    "sibling": "by whom, width, TARGET_END",
    # Attributes.
    "input type": "WORD, ATTRIBUTE_END",
    "role": "WORD, ATTRIBUTE_END",
    "boolean": "WORD, NODE_ATTRIBUTE_END",
    "class names": "WORD, CHANGED_END, repeat",
    "label": "WORD, ATTRIBUTE_END",
    "other label": "WORD, CHANGED_END",
    "link": "ADDRESS, CHANGED_END",
    "other link": "ADDRESS, CHANGED_END",
    "source": "resource, code or blob, data, CHANGED_END",
    "other source": "resource, code or blob, data, CHANGED_END",
    "flag": "boolean, CHANGED_END",
    "other flag": "boolean, CHANGED_END",
    "size": "count, CHANGED_END",
    "number": "count, CHANGED_END",
    "value": "FORM_VALUE, WORD, NODE_ATTRIBUTE_END",
    "attribute": "CHANGED_END, repeat",
    # Mutations.
    "add": "count, TARGET",
    "remove": "count",
    "move": "count, TARGET",
    "change": "TARGET",
    "delete": "ATTRIBUTE",
    "restyle": "style change",
    "retext": "TARGET",
    "repeat": "count",
    "style change": "style change, CHANGED_END, repeat",
    # Actions and plugins.
    "HEAD": "time delta",
    "direction": "distance",
    "distance": "time delta",
    "x": "y",
    "y": "TARGET, PointerTypes, EVENT_END",
    "PointerTypes": "EVENT_END",
    "scroll": "scroll aside, scroll depth",
    "scroll aside": "scroll depth",
    "scroll depth": "url, KEYFRAME_END, EVENT_END",
    "edit": "by whom, RUN_END",
    "checked": "by whom, EVENT_END",
    "by whom": "EVENT_END",
    "muted": "EVENT_END",
    "visibility": "val, went, EVENT_END",
    "CanvasContext": "count",
    "console": "count, RUN_END",
    "method": "initiator",
    "initiator": "outcome",
    "outcome": "time delta, method, EVENT_END",
}

# What stands before a time delta -> what may come after it. Heads are tokens or, for a whole group
# of heads, its name; time deltas also end strokes and requests.
FIRST_FIELDS: Final[dict[str, str]] = {
    "EV_DomContentLoaded": "EVENT_END",
    "EV_Load": "EVENT_END",
    "EV_FullSnapshot": "count",
    "EV_Incremental": "EVENT_END",
    "EV_Meta": "went, url, width",
    "EV_Custom": "WORD, visibility, val, went, EVENT_END",
    "EV_Plugin": "console, count, WORD, val, EVENT_END",
    "EV_Asset": "resource, code or blob, data",
    "EV_Annotation": "WORD, txt, EVENT_END",
    "EV_UNKNOWN": "EVENT_END",
    "IS_Mutation": "remove, MUTATION, left out, RUN_END",
    "IS_MouseMove": "direction, x",
    "IS_MouseInteraction": "TARGET",
    "IS_Scroll": "TARGET",
    "IS_ViewportResize": "width",
    "IS_Input": "TARGET",
    "IS_TouchMove": "direction, x",
    "IS_MediaInteraction": "TARGET",
    "IS_StyleSheetRule": "count",
    "IS_CanvasMutation": "TARGET",
    "IS_Font": "RUN_END",
    "IS_Log": "console",
    "IS_Drag": "direction, x",
    "IS_StyleDeclaration": "restyle",
    "IS_Selection": "count",
    "IS_AdoptedStyleSheet": "count",
    "IS_CustomElement": "WORD, EVENT_END",
    "MouseInteractions": "TARGET",
    "MediaInteractions": "TARGET",
    "tab": "sibling",
    "distance": "direction, x",
    "outcome": "method, EVENT_END",
}
