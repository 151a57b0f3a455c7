"""Several documents in one recording: windows, frames and shadow roots."""

from rrweb_events import change, click, element, meta, snapshot, text
from serialized_events import encode

from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

BUY = element(10, "button", text(11, "Buy now"), id="buy")
FIELD = element(12, "input", type="email", name="mail")


def in_window(window_id: object, event: dict) -> dict:
    return {**event, "windowId": window_id}


def test_windows_of_one_stream_have_documents_of_their_own() -> None:
    link = element(10, "a", text(11, "Help"), href="/help")
    _, events = encode(
        *(in_window("w1", event) for event in (meta(0), snapshot(1, BUY))),
        *(in_window("w2", event) for event in (meta(100), snapshot(101, link), click(102, 10))),
        in_window("w1", click(200, 10)),
        click(201, 10),
    )
    assert events[2] == ["[TAB]", "[DT_6]", "[NTH_1]"]
    assert events[5][:4] == ["[MI_Click]", "[DT_1]", "[REF_NEW]", "[TAG_a]"]
    assert events[6][0::2] == ["[TAB]", "[NTH_0]"]
    assert events[7][:4] == ["[MI_Click]", "[DT_0]", "[REF_NEW]", "[TAG_button]"]
    assert events[8][:4] == ["[MI_Click]", "[DT_1]", "[REF_0]", "[TAG_button]"]


def test_keyframes_name_the_window_only_where_there_are_several() -> None:
    many = [click(n * 10, 12) for n in range(200)]
    alone, _ = encode(meta(0), snapshot(1, FIELD), *many)
    windows = [in_window(n % 2, event) for n, event in enumerate([meta(0), *many])]
    several, _ = encode(*windows)
    tab = STRUCTURAL_IDS["[TAB]"]
    assert not (alone.ids == tab).any()
    keyframes = several.keyframes[1:].astype(int)
    assert len(keyframes) > 2
    assert (several.ids[keyframes + 2] == tab).all()


def test_a_batch_split_by_another_windows_event_stays_in_its_window() -> None:
    positions = [{"x": x, "y": 5, "id": 10, "timeOffset": x - 500} for x in (0, 200, 400)]
    _, events = encode(
        *(in_window("w1", event) for event in (meta(0), snapshot(1, BUY))),
        in_window("w2", meta(700)),
        in_window("w1", change(1000, 1, positions=positions)),
        in_window("w2", click(650, 4)),
    )
    heads = [event[0] for event in events]
    assert heads[2:] == [
        *("[IS_MouseMove]", "[TAB]", "[MI_Click]", "[EV_Meta]"),
        *("[TAB]", "[IS_MouseMove]"),
    ]


def test_an_unusable_window_name_leaves_the_event_in_the_present_window() -> None:
    _, events = encode(in_window("w1", meta(0)), in_window([1], click(1, 10)), click(2, 10))
    assert [event[0] for event in events] == ["[EV_Meta]", "[MI_Click]", "[MI_Click]"]


def frame(node_id: int, *inner: dict) -> tuple[dict, dict]:
    """An empty iframe and the document that is attached to it later."""
    html = element(node_id + 2, "html", element(node_id + 3, "body", *inner))
    return element(node_id, "iframe"), {"type": 0, "id": node_id + 1, "childNodes": [html]}


def test_frames_in_frames_and_shadow_roots_are_written_and_can_be_clicked() -> None:
    outer, outer_document = frame(20, frame(40)[0])
    _, inner_document = frame(40, element(50, "button", text(51, "Pay")))
    slotted = {**element(60, "b", text(61, "inside")), "isShadow": True}
    host = {**element(59, "my-card", slotted), "isShadowHost": True}
    attach = [
        change(
            2 + n,
            0,
            adds=[{"parentId": parent, "nextId": None, "node": document}],
            removes=[],
            isAttachIframe=True,
        )
        for n, (parent, document) in enumerate([(20, outer_document), (40, inner_document)])
    ]
    _, events = encode(meta(0), snapshot(1, outer, host), *attach, click(9, 50), click(9, 60))
    assert events[1][-6:] == [
        *("[TAG_iframe]", "[UP_1]", "[TAG_custom-element]"),
        *("[SHADOW_ROOT]", "[TAG_b]", "inside"),
    ]
    assert [e for e in events[2] if e.startswith("[IFRAME")] == ["[IFRAME_DOC]"]
    assert events[3][events[3].index("[IFRAME_DOC]") :] == [
        *("[IFRAME_DOC]", "[TAG_html]", "[TAG_body]", "[TAG_button]", "Pay"),
    ]
    assert events[4][:6] == ["[MI_Click]", "[DT_1]", "[REF_NEW]", "[TAG_button]", "[TXT]", "Pay"]
    assert events[5][3:6] == ["[TAG_b]", "[TXT]", "inside"]


def test_a_page_whose_document_has_another_number_is_no_frame() -> None:
    moved = snapshot(1, BUY)
    moved["data"]["node"]["id"] = 5_000
    _, events = encode(meta(0), moved, change(9, 3, id=5_000, x=0, y=900))
    assert "[IFRAME_DOC]" not in events[1]
    assert events[2][2] == "[REF_DOC]"


def test_a_chain_of_wrappers_ends_at_a_shadow_root() -> None:
    inner = element(22, "div", element(23, "div", element(24, "p", text(25, "within"))))
    host = element(20, "div", element(21, "div", inner | {"isShadow": True}))
    _, events = encode(meta(0), snapshot(1, host))
    place = events[1].index("[SHADOW_ROOT]")
    assert events[1][place - 2 :] == [
        *("[TAG_div]", "[TAG_div]", "[SHADOW_ROOT]", "[WRAPPED]", "[TAG_p]", "within")
    ]
