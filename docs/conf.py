"""The site: `make docs` writes it to build/docs, and fails at any warning.

Why Sphinx with MyST and furo: pages stay plain Markdown, links and their anchors are checked, the
reference is read from the code, and nothing is fetched, neither while it is built nor by a reader's
browser. All three have releases of the last twelve months; MkDocs' stable line has had none since
August 2024, and the 2.0 that follows it takes no plug-ins.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

project = "RRWebBERT"
author = "The RRWebBERT authors"
copyright = "the RRWebBERT authors, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "command_pages",
    "docstring_markdown",
    "link_titles",
]

# The source is the whole repository, so that README, CHANGELOG and benchmarks are pages too, and
# what links to them is checked. What a link names and is no page becomes a download.
root_doc = "docs/README"
include_patterns = [
    "docs/**",
    "*.md",
    "benchmarks/RESULTS.md",
    "examples/README.md",
]

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"no-value": True}  # some are paths of the machine
smartquotes_action = "D"  # dashes alone: quotation marks stay as they are typed
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "RRWebBERT"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """The front page is docs/README.md, as on GitHub; only the site has an order of the pages."""
    if name == app.config.root_doc:
        source[0] += (HERE / "navigation.txt").read_text(encoding="utf-8")


def _add_entrance(app: Sphinx, error: Exception | None) -> None:
    """index.html leads to the front page."""
    if error is None and app.builder.format == "html":
        target = f"{app.config.root_doc}.html"
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">\n'
        page += f'<title>RRWebBERT</title><a href="{target}">RRWebBERT</a>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _add_entrance)
