"""The neighbours of a session in a file of embeddings: others, each once, most alike first."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rrweb_bert.report import neighbours
from rrweb_bert.report.neighbours import nearest

OWN = "0" * 64


def towards(*degrees):
    """(n, 2) vectors in these directions."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1).astype("f4")


@pytest.fixture
def file_of(tmp_path):
    """Write rows (session, sha256, degrees), and two that put the mean at 0."""

    def write(*rows):
        rows = [*rows, *((name, sha256, degrees + 180) for name, sha256, degrees in rows)]
        vectors = towards(*(degrees for _, _, degrees in rows))
        table = pa.table(
            {
                "session_id": [name for name, _, _ in rows],
                "sha256": [sha256 for _, sha256, _ in rows],
                "embedding": pa.FixedSizeListArray.from_arrays(vectors.ravel(), 2),
            }
        )
        path = tmp_path / "embeddings.parquet"
        pq.write_table(table, path)
        return path

    return write


def names_of(path, number):
    return [found.session_id for found in nearest(path, towards(0)[0], sha256=OWN, number=number)]


@pytest.mark.parametrize("rows_at_once", [3, 4096])
def test_its_own_rows_however_many_take_no_neighbour_s_place(file_of, monkeypatch, rows_at_once):
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", rows_at_once)
    own = [(f"copy{number}", OWN, number) for number in range(5)]
    path = file_of(*own, ("near", "1" * 64, 20), ("far", "2" * 64, 60))
    assert names_of(path, 2) == ["near", "far"]


@pytest.mark.parametrize("rows_at_once", [3, 4096])
def test_a_session_of_many_windows_is_told_once_by_its_most_alike(
    file_of, monkeypatch, rows_at_once
):
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", rows_at_once)
    windows = [("near", "1" * 64, degrees) for degrees in (14, 11, 10, 12, 13)]
    path = file_of(("own", OWN, 0), ("own", OWN, 5), *windows, ("far", "2" * 64, 60))
    found = nearest(path, towards(0)[0], sha256=OWN, number=2)
    assert [one.session_id for one in found] == ["near", "far"]
    assert found[0].similarity == pytest.approx(np.cos(np.radians(10)), abs=1e-3)


def test_a_file_that_holds_the_session_alone_has_no_neighbours(file_of):
    assert names_of(file_of(("own", OWN, 0), ("own", OWN, 5)), 3) == []
