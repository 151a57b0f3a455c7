"""Folders of small recordings, and what preparation made of them."""

import json


def recording(number, site="shop"):
    events = [
        {"type": 4, "data": {"href": f"http://{site}.test/", "width": 9, "height": 9}},
        {"type": 2, "data": {"node": {"type": 0, "id": 1, "childNodes": []}}},
        {"type": 0},
    ] * (1 + number % 4)
    return json.dumps([{**event, "timestamp": 1000 * number + i} for i, event in enumerate(events)])


def fill(folder, num_files, start=0):
    for number in range(start, start + num_files):
        path = folder / f"site{number % 5}" / f"{number:04}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recording(number, f"site{number % 5}"))
    return folder


def visit(number):
    events = [
        {"type": 4, "data": {"href": f"http://s{number % 5}.test/", "width": 9, "height": 9}},
        {"type": 2, "data": {"node": {"type": 0, "id": 1, "childNodes": []}}},
        *({"type": 0} for _ in range(number % 7)),
    ]
    return json.dumps([{**e, "timestamp": 1000 * number + i} for i, e in enumerate(events)])


def visit_or_none(number):
    """The text of a file; one in eleven is no recording."""
    return "no json" if number % 11 == 5 else visit(number)


def fill_with_visits(folder, num_files, start=0):
    folder.mkdir(exist_ok=True)
    for number in range(start, start + num_files):
        (folder / f"{number:04}.json").write_text(visit_or_none(number))


def fill_folders_with_visits(folder, num_files):
    """Files in three folders, and one that holds 20 recordings."""
    for number in range(num_files):
        path = folder / f"{number % 3}" / f"{number:04}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(visit_or_none(number))
    (folder / "list.jsonl").write_text("\n".join(visit(1000 + n) for n in range(20)))
    return folder


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def ledger_of(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
