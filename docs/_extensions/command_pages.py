"""The directive `commands`: the options of a command line, read from its parser.

    ```{commands} data_prep
    ```

writes a section for each command of `python -m data_prep`; `train_mlm` one for each subject.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class CommandsDirective(SphinxDirective):
    """Sections of one program, each with a table of its options."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The sections."""
        program = self.arguments[0]
        if program == "train_mlm":
            return [self._section(*part) for part in _subjects()]
        return [
            self._section(f"python -m {program} {name}", name, usage, text, actions)
            for name, usage, text, actions in _commands(program)
        ]

    def _section(
        self, title: str, name: str, usage: str, text: str, actions: list[argparse.Action]
    ) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(f"{self.arguments[0]} {name}")])
        section += nodes.title("", "", nodes.literal(text=title) if usage else nodes.Text(title))
        self.state.document.note_implicit_target(section, section)
        if text:
            section += nodes.paragraph(text=text, support_smartquotes=False)
        if usage:
            section += nodes.literal_block(usage, usage, language="text")
        section += _options(actions)
        return section


def _subjects() -> Iterator[tuple[str, str, str, str, list[argparse.Action]]]:
    from rrweb_bert.argument_parser import HELP_GROUPS, ArgumentParser

    options = ArgumentParser().options()
    for title, names in HELP_GROUPS.items():
        yield title.capitalize(), title, "", "", [options[name] for name in names]


def _commands(program: str) -> Iterator[tuple[str, str, str, list[argparse.Action]]]:
    make_parser = importlib.import_module(f"{program}.__main__").make_parser
    for name in _choices(make_parser()):
        # rrweb_bert imports the options of one command at a time.
        parser = make_parser([name]) if program == "rrweb_bert" else make_parser()
        command = _choices(parser)[name]
        actions = [a for a in command._actions if a.dest != "help"]
        usage = f"{command.format_usage().strip()}\n\n{command.epilog}"  # the epilog: examples
        yield name, usage, command.description or "", actions


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(actions: list[argparse.Action]) -> nodes.definition_list:
    """A list, not a table: it stays readable on a phone."""
    rows = nodes.definition_list(classes=["options"])
    for action in actions:
        rows += nodes.definition_list_item(
            "", nodes.term("", "", *_names(action)), nodes.definition("", *_help(action))
        )
    return rows


def _names(action: argparse.Action) -> list[nodes.Node]:
    shown: list[nodes.Node] = []
    # transformers spells each flag with - as well; one is enough here.
    for name in [n for n in action.option_strings if "-" not in n.lstrip("-")] or [
        *action.option_strings[:1]
    ]:
        shown += [nodes.literal(text=name), nodes.Text(" ")]
    if not action.option_strings or action.nargs != 0:
        shown.append(nodes.emphasis(text=_value(action)))
    return shown


def _value(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    if action.choices is not None:
        return " | ".join(map(str, action.choices))
    return action.dest.upper() if action.option_strings else action.dest


def _help(action: argparse.Action) -> list[nodes.Node]:
    text = (action.help or "").replace("%%", "%")
    if "%(default)s" in text:
        text = text % {"default": action.default}
    # Two dashes begin an option here and are no dash.
    said = nodes.paragraph(text=text, support_smartquotes=False)
    shown: list[nodes.Node] = [said]
    default: Any = action.default
    if default not in (None, False, argparse.SUPPRESS, []) and "default" not in text:
        if action.required or default == "":
            return shown
        told = " ".join(map(str, default)) if isinstance(default, list) else str(default)
        line = nodes.paragraph("", "", nodes.Text("Default: "), nodes.literal(text=told))
        shown.append(line)
    elif action.required and action.option_strings:
        shown.append(nodes.paragraph(text="Required."))
    return shown


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("commands", CommandsDirective)
    return {"parallel_read_safe": True}
