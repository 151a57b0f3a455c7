"""A link that is named by its file, as `[tokens.md](tokens.md)`, shows the page's title instead.

On GitHub the file's name says where a link leads; on the site there are no files.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx


def _name_by_titles(app: Sphinx, tree: nodes.document, name: str) -> None:
    for link in tree.findall(nodes.reference):
        text = link.astext()
        if not text.endswith(".md") or not link.get("internal"):
            continue
        for title in _titles(app, link.get("refuri", ""), name):
            link.children = [nodes.inline(text=title)]


def _titles(app: Sphinx, address: str, name: str) -> list[str]:
    """The title of the page that an address leads to, from the page of this name."""
    target = address.partition("#")[0]
    for page, title in app.env.titles.items():
        if app.builder.get_relative_uri(name, page) == target:
            return [title.astext()]
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", _name_by_titles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
