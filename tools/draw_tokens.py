"""Draws docs/pictures/recording_and_tokens.png: a recording of the sample beside its tokens.

python tools/draw_tokens.py [--chromium PATH] [--output FILE]

The page is rebuilt from the recording's own snapshot and drawn by Chromium, with the pointer's way
over it; each row is an event as rrweb recorded it, what the transcript says of it, and its tokens.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import zstandard
from markupsafe import Markup, escape
from PIL import Image

from rrweb_bert.sample_plan import sample_directory
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.quantize import bin_to_time_ms
from rrweb_tokenizer.structural_vocab import TEXT_GROUP, group_of
from rrweb_tokenizer.transcript import Entry, entries, render_ids, run_line

SESSION: Final = "freshcart-020005"
OUTPUT: Final = Path(__file__).parents[1] / "docs" / "pictures" / "recording_and_tokens.png"
FIRST_MS, LAST_MS = 12_000, 45_500
"""The stretch that is drawn, from the session's start."""

WIDTH, HEIGHT = 1500, 1140
_SCALE: Final = 0.34
_MAX_CHARACTERS: Final = 92
_VOID: Final = frozenset("area base br col embed hr img input link meta source track wbr".split())
_LEFT_OUT: Final = frozenset(("script", "noscript"))
_KINDS: Final = {
    "what happened": (
        "#c2410c",
        ("EventType", "IncrementalSource", "MouseInteractions", "PointerTypes"),
    ),
    "keyframes, marks": ("#854d0e", ("context",)),
    "when": ("#1d4ed8", ("time delta", "elapsed")),
    "where": ("#0f766e", ("x", "y", "direction", "distance", "viewport", "scroll", "scroll depth")),
    "which element": (
        "#6d28d9",
        (
            *("reference", "tag", "attribute", "input type", "depth", "sibling", "role"),
            "tree",
        ),
    ),
    "class and length of what is typed": (
        "#be185d",
        ("value class", "edit and page state", "count"),
    ),
    "text": ("#334155", (TEXT_GROUP,)),
}
_STYLE: Final = """
* { box-sizing: border-box }
body { margin: 0; padding: 24px; font: 15px/1.35 system-ui, "DejaVu Sans", sans-serif;
       color: #1e293b; background: #fff; width: 1500px }
h1 { font-size: 19px; margin: 0 0 12px }
.page { position: relative; border: 1px solid #94a3b8; border-radius: 6px; overflow: hidden;
       float: left }
iframe { border: 0; transform-origin: 0 0 }
svg { position: absolute; left: 0; top: 0 }
.legend { margin-left: 550px; padding-top: 4px }
.legend p { margin: 0 0 10px; max-width: 860px }
.legend span, .ids b { display: inline-block; border-radius: 4px; padding: 0 5px; margin: 1px 2px;
       color: #fff; font: 12px/1.6 "DejaVu Sans Mono", monospace; white-space: nowrap }
.ids b { font-weight: normal }
table { border-collapse: collapse; width: 100%; clear: both }
caption { height: 14px }
td, th { text-align: left; vertical-align: top; padding: 3px 6px; border-top: 1px solid #e2e8f0 }
th { font-size: 13px; color: #475569 }
code { font: 12px/1.5 "DejaVu Sans Mono", monospace; color: #334155; overflow-wrap: anywhere }
td:nth-child(1) { width: 24px; color: #64748b }
td:nth-child(2) { width: 430px } td:nth-child(3) { width: 330px; font-size: 14px }
"""


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chromium", default="chromium", help="the browser that draws")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(picture_page(), encoding="utf-8")
        command = [arguments.chromium, "--headless", "--no-sandbox", "--hide-scrollbars"]
        command += [
            "--virtual-time-budget=3000",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={arguments.output.resolve()}",
        ]
        subprocess.run([*command, str(page)], check=True)  # noqa: S603 - the browser that was named
    with Image.open(arguments.output) as drawn:
        drawn.convert("RGB").quantize(128).save(arguments.output, optimize=True)


def picture_page() -> str:
    """The whole picture as one HTML page."""
    events = _events()
    start_ms = min(event["timestamp"] for event in events)
    tokenizer = RRWebTokenizer()
    session = tokenizer.encode_session(json.dumps(events).encode())
    ids = session.ids.tolist()
    decode = tokenizer.text_model.decode_plain
    told = entries(
        ids,
        decode,
        event_starts=session.event_starts.tolist(),
        event_times_ms=session.event_times_ms.tolist(),
    )
    recorded = iter(sorted(events, key=_true_time))
    rows, number = [], itertools.count(1)
    for entry in told:
        is_event = type(entry.record).__name__ == "Event"
        event = next(recorded) if is_event else None
        if FIRST_MS <= entry.elapsed_ms <= LAST_MS:
            span = ids[entry.record.start : entry.record.stop]
            rows.append(_row(next(number), event, entry, _chips(span, decode)))
    drawn = [e for e in events if FIRST_MS <= _true_time(e) - start_ms <= LAST_MS]
    return str(
        Markup(
            '<!doctype html><meta charset="utf-8"><style>{style}</style><h1>{title}</h1>'
            "{page}{legend}<table><caption></caption><tr><th></th><th>as rrweb recorded it</th>"
            "<th>as the transcript tells it</th><th>as the model reads it</th></tr>{rows}</table>"
        ).format(
            style=Markup(_STYLE),  # noqa: S704 - our own
            title=f"A visitor fills in a form: {SESSION}, from 0:12 to 0:45",
            page=_page(events, drawn),
            legend=_legend(),
            rows=Markup("").join(_folded(rows)),
        )
    )


def _events() -> list[dict[str, Any]]:
    packed = (sample_directory() / f"{SESSION}.json.zst").read_bytes()
    events: list[dict[str, Any]] = json.loads(zstandard.decompress(packed))
    return events


def _true_time(event: dict[str, Any]) -> float:
    positions = event["data"].get("positions")
    offset = positions[-1]["timeOffset"] if positions else 0
    return float(event["timestamp"] + offset)


def _row(number: int, event: dict[str, Any] | None, entry: Entry, chips: Markup) -> Markup:
    shown = "(a new chapter of the ids begins)" if event is None else json.dumps(event["data"])
    shown = shown if len(shown) <= _MAX_CHARACTERS else f"{shown[:_MAX_CHARACTERS]}..."
    row = Markup("<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td class=ids>{}</td></tr>")
    return row.format(number, shown, run_line([entry]).strip(), chips)


def _folded(rows: list[Markup]) -> list[Markup]:
    """The first rows and the last: ten letters of a name are told alike."""
    gap = Markup(
        "<tr><td></td><td colspan=3>{} more: the rest of the name, and the way to the next field"
        "</td></tr>"
    )
    return [*rows[:11], gap.format(len(rows) - 15), *rows[-4:]]


def _chips(ids: list[int], decode: Any) -> Markup:
    chips = Markup("")
    for is_text, run in itertools.groupby(ids, key=lambda one: group_of(one) == TEXT_GROUP):
        # The pieces of one text stand together; each structural token by itself.
        for part in [list(run)] if is_text else [[one] for one in run]:
            color = next(c for c, groups in _KINDS.values() if group_of(part[0]) in groups)
            text = render_ids(part, decode).strip("[]")
            chips += Markup('<b style="background:{}">{}</b>').format(color, text)
    return chips


def _legend() -> Markup:
    kinds = Markup(" ").join(
        Markup('<span style="background:{}">{}</span>').format(color, kind)
        for kind, (color, _) in _KINDS.items()
    )
    return Markup(
        "<div class=legend><p>{kinds}</p>"
        "<p>Each box is one token; a text is as many as it has pieces. The field is described when "
        "it is first touched (REF_NEW); later it is REF_0, or REF_1 when another came between. Of "
        "what is typed a class and a length remain: the name's letters stand in the recording, and "
        "in no token. Places are 20 columns and rows of the window (X, Y), times bins that grow "
        "(DT_20 is about {seconds:.0f} seconds, DT_0 none).</p>"
        "<p>Where a chapter ends, a keyframe opens the next one (KEY_MID): time since the start, "
        "window, scroll depth, address. Fields are described anew after it, so a training window "
        "that begins there makes sense alone.</p></div>"
    ).format(kinds=kinds, seconds=bin_to_time_ms(20) / 1000)


def _page(events: list[dict[str, Any]], drawn: list[dict[str, Any]]) -> Markup:
    """The recorded page, scaled down, and the pointer's way over it."""
    meta = next(event["data"] for event in events if event["type"] == 4)
    width, height = meta["width"], meta["height"]
    typed = {e["data"]["id"]: e["data"]["text"] for e in drawn if e["data"].get("source") == 5}
    snapshot = next(event["data"]["node"] for event in events if event["type"] == 2)
    way, clicks = [], []
    for event in drawn:
        data = event["data"]
        way += [f"{p['x']},{p['y']}" for p in data.get("positions", ())]
        if data.get("source") == 2 and data.get("type") == 2:
            clicks.append((data["x"], data["y"]))
    return Markup(
        '<div class=page style="width:{w}px;height:{h}px"><iframe srcdoc="{html}" '
        'style="width:{width}px;height:{height}px;transform:scale({scale})"></iframe>'
        '<svg width="{w}" height="{h}" viewBox="0 0 {width} {height}"><polyline points="{way}" '
        'fill="none" stroke="#c2410c" stroke-width="5" stroke-dasharray="14 9"/>{clicks}</svg>'
        "</div>"
    ).format(
        w=round(width * _SCALE),
        h=round(height * _SCALE),
        width=width,
        height=height,
        scale=_SCALE,
        html=str(_html(snapshot, typed)),
        way=" ".join(way),
        clicks=Markup("").join(
            Markup('<circle cx="{}" cy="{}" r="17" fill="#c2410c" opacity="0.6"/>').format(x, y)
            for x, y in clicks
        ),
    )


def _html(node: dict[str, Any], typed: dict[int, str]) -> Markup:
    """A recorded node as HTML; scripts stay out, and what was typed stands in its field."""
    if node["type"] == 3:
        return Markup(node["textContent"]) if node.get("isStyle") else escape(node["textContent"])  # noqa: S704 - style sheet of our own sample
    inner = Markup("").join(_html(child, typed) for child in node.get("childNodes", ()))
    if node["type"] != 2:
        return inner
    tag, attributes = node["tagName"], dict(node["attributes"])
    if tag in _LEFT_OUT:
        return Markup("")
    if "_cssText" in attributes:
        tag, inner = "style", Markup(attributes.pop("_cssText"))  # noqa: S704 - as above
    if node["id"] in typed:
        attributes["value"] = typed[node["id"]]
    opening = Markup("<{}{}>").format(
        tag, Markup("").join(Markup(' {}="{}"').format(k, v) for k, v in attributes.items())
    )
    return opening if tag in _VOID else opening + inner + Markup("</{}>").format(tag)


if __name__ == "__main__":
    main()
