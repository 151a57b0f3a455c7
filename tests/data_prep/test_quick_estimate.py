import pytest
from synthetic import write_recordings

from data_prep.inspection import InspectOptions, inspect_recordings
from data_prep.prepare import PrepareOptions, find_prepared, open_or_prepare
from data_prep.quick_estimate import estimate_recordings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder, num_per_site=8, num_actions=30)
    (folder / "broken.json").write_text("no JSON")
    return folder


def exact(folder):
    options = InspectOptions(exact=True, num_proc=1, show_progress=False)
    return inspect_recordings([folder], options)


def test_where_all_files_are_read_the_figures_are_those_of_inspect(recordings):
    found, expected = estimate_recordings(recordings, PrepareOptions()), exact(recordings)
    assert found.num_ids == (expected.num_ids.total, 0)
    assert found.num_sessions == (expected.findings.num_sessions, 0)
    assert (found.num_files, found.num_rejected) == (expected.findings.num_files, 1)
    assert found.num_bytes == expected.findings.num_bytes


def test_a_few_files_give_an_interval_around_all(recordings):
    found, expected = (
        estimate_recordings(recordings, PrepareOptions(), max_files=9),
        exact(recordings),
    )
    assert found.num_looked_at == 9
    assert found.num_ids.margin > 0
    # Twice the 95% interval: which files are drawn follows from their names, so this is settled.
    assert abs(found.num_ids.total - expected.num_ids.total) < 2 * found.num_ids.margin


def test_one_file_at_least_is_read_and_leaves_the_total_open(recordings):
    found = estimate_recordings(recordings, PrepareOptions(), max_bytes=0)
    assert found.num_looked_at == 1
    assert found.num_ids.margin == float("inf")


def test_a_prepared_corpus_is_found_where_it_would_be_opened(recordings, tmp_path):
    options = PrepareOptions(validation_fraction=0.2, num_proc=1, show_progress=False)
    assert find_prepared(recordings, cache_dir=tmp_path, options=options) is None
    assert list(tmp_path.iterdir()) == []
    made = open_or_prepare(
        recordings, cache_dir=tmp_path, options=options, report=lambda text: None
    )
    assert find_prepared(recordings, cache_dir=tmp_path, options=options) == made
    assert find_prepared(made.path, options=options) == made
    other = PrepareOptions(validation_fraction=0.3)
    assert find_prepared(recordings, cache_dir=tmp_path, options=other) is None
