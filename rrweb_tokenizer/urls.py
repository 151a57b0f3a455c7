"""URLs -> ids: host once a page, path segments, query keys only; ids and hashes become classes."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from rrweb_tokenizer.memo import IdsMemo
from rrweb_tokenizer.quantize import count_to_bin
from rrweb_tokenizer.redact import classify_identifier
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder

__all__ = ["UrlWriter", "resolve", "resource_kind"]

_MEMO_BYTES: Final = 4 << 20
_MAX_URL_CHARS: Final = 2_048
_MAX_SEGMENTS: Final = 4
_MAX_SEGMENT_PIECES: Final = 6
_MAX_HOST_PIECES: Final = 8
_MAX_QUERY_KEYS: Final = 4
_MAX_KEY_PIECES: Final = 3

_HOST: Final = STRUCTURAL_IDS["[HOST]"]
_PATH: Final = STRUCTURAL_IDS["[PATH]"]
_QUERY: Final = STRUCTURAL_IDS["[QUERY]"]
_HASH: Final = STRUCTURAL_IDS["[HASH]"]
_TRUNC: Final = STRUCTURAL_IDS["[TRUNC]"]
_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_LAST_PART: Final = re.compile(r"[/?#&][^/?#&]*\Z")
_SEGMENT_VALUES: Final = re.compile(r";[^;=]*=.*", re.DOTALL)
# Scheme -> the one token that stands for such a URL.
_OTHER_SCHEMES: Final = {
    **dict.fromkeys("mailto sip sips xmpp im".split(), STRUCTURAL_IDS["[V_EMAIL]"]),
    **dict.fromkeys(
        "tel sms callto facetime facetime-audio whatsapp viber".split(), STRUCTURAL_IDS["[V_PHONE]"]
    ),
    **dict.fromkeys("skype msteams tg bitcoin ethereum".split(), STRUCTURAL_IDS["[V_TOKEN]"]),
    "geo": STRUCTURAL_IDS["[V_ADDRESS]"],
    "javascript": STRUCTURAL_IDS["[R_JS]"],
    "blob": STRUCTURAL_IDS["[R_BLOB]"],
}
_RESOURCE_SUFFIXES: Final = {
    "[R_IMG]": "png jpg jpeg gif webp avif ico bmp",
    "[R_SVG]": "svg",
    "[R_FONT]": "woff woff2 ttf otf eot",
    "[R_CSS]": "css",
    "[R_JS]": "js mjs",
    "[R_VIDEO]": "mp4 webm mov m3u8 m4v",
    "[R_AUDIO]": "mp3 ogg wav m4a flac",
}
_KIND_OF_SUFFIX: Final = {
    suffix: STRUCTURAL_IDS[kind]
    for kind, suffixes in _RESOURCE_SUFFIXES.items()
    for suffix in suffixes.split()
}


def resolve(url: str, base: str) -> str:
    """The absolute form of a URL on a page; the URL itself when it cannot be parsed."""
    try:
        return urljoin(base, _cut(url))
    except ValueError:
        return _cut(url)


def _cut(url: str) -> str:
    """The URL, a very long one without the part that the cut would tear in two."""
    return url if len(url) <= _MAX_URL_CHARS else _LAST_PART.sub("", url[:_MAX_URL_CHARS])


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(_cut(url.strip()))
        _ = parts.hostname
    except ValueError:
        return None
    return parts


def resource_kind(url: str) -> int:
    """The `[R_*]` id of a resource's URL, told by its scheme and suffix."""
    if url[:5].lower() == "data:":
        return STRUCTURAL_IDS["[R_DATA]"]
    if url[:5].lower() == "blob:":
        return STRUCTURAL_IDS["[R_BLOB]"]
    parts = _split(url)
    suffix = "" if parts is None else parts.path.rpartition(".")[2].lower()
    return _KIND_OF_SUFFIX.get(suffix, STRUCTURAL_IDS["[R_OTHER]"])


class UrlWriter:
    """Writes URLs as ids; repeated ones come from a memo of at most about 4 MB."""

    def __init__(self, text_encoder: TextEncoder) -> None:
        self._encode = text_encoder.encode
        self._memo = IdsMemo(_MEMO_BYTES)

    def write(self, url: str, page_host: str = "") -> list[int]:
        """The ids of a URL: host unless it is `page_host`, path, query keys, fragment.

        `http://shop.test/item/4711?ref=mail#top` is `[HOST] shop.test [PATH] item [V_NUMBER]
        [QUERY] ref [HASH] top`. Values of the query are never read.
        """
        ids = self._memo.get((url, page_host))
        if ids is None:
            ids = self._write(url, page_host)
            self._memo.put_ids((url, page_host), ids, len(url) + len(page_host))
        return ids

    def _write(self, url: str, page_host: str) -> list[int]:
        if url[:5].lower() == "data:":
            return [STRUCTURAL_IDS["[R_DATA]"], _N_0 + count_to_bin(len(url) // 1024)]
        parts = _split(url)
        if parts is None:
            return [STRUCTURAL_IDS["[V_URL]"]]
        if parts.scheme in _OTHER_SCHEMES:
            return [_OTHER_SCHEMES[parts.scheme]]
        ids: list[int] = []
        host = (parts.hostname or "").removeprefix("www.")
        if host and host != page_host.removeprefix("www."):
            ids += [_HOST, *self._text(host, _MAX_HOST_PIECES)]
        ids += self._write_path(parts.path)
        for key in self._query_keys(parts.query):
            ids += [_QUERY, *self._text(key, _MAX_KEY_PIECES)]
        if parts.fragment:
            ids += self._write_fragment(parts.fragment.strip("!/"))
        return ids or [_PATH]

    def _write_fragment(self, fragment: str) -> list[int]:
        """A fragment's path, and keys alone where it holds a query: tokens are handed over so."""
        route, _, query = fragment.partition("?")
        if "=" in route:
            route, query = "", f"{route}&{query}"
        ids = [_HASH, *self._segments(route)]
        for key in self._query_keys(query):
            ids += [_QUERY, *self._text(key, _MAX_KEY_PIECES)]
        return ids

    def _write_path(self, path: str) -> list[int]:
        segments = self._segments(path)
        return [_PATH, *segments] if segments or path == "/" else []

    def _segments(self, path: str) -> list[int]:
        """The last segments of a path, one after another, each as text or as its class."""
        # "cart;jsessionid=1f2e": what follows the semicolon is a query in another form.
        segments = [unquote(_SEGMENT_VALUES.sub("", s)) for s in path.split("/") if s]
        ids = [_TRUNC] if len(segments) > _MAX_SEGMENTS else []
        for segment in segments[-_MAX_SEGMENTS:]:
            ids += self._text(segment, _MAX_SEGMENT_PIECES)
        return ids

    def _query_keys(self, query: str) -> list[str]:
        keys = [unquote(pair.partition("=")[0]) for pair in query.split("&") if pair]
        return list(dict.fromkeys(keys))[:_MAX_QUERY_KEYS]

    def _text(self, text: str, max_pieces: int) -> list[int]:
        value_class = classify_identifier(text)
        if value_class is not None:
            return [STRUCTURAL_IDS[f"[{value_class.value}]"]]
        return self._encode(text, max_pieces)[0]
