"""What lies at an address, and a corpus there as another machine opens it."""

import fsspec

from data_prep.prepare import PrepareOptions, open_or_prepare


def files_at(url):
    filesystem, root = fsspec.core.url_to_fs(url)
    return {
        path.removeprefix(root).lstrip("/"): filesystem.cat_file(path)
        for path in sorted(filesystem.find(root))
    }


def opened(url, tmp_path, said=None, cache="other"):
    """Open it as training does, on another machine."""
    report = (said if said is not None else []).append
    return open_or_prepare(url, cache_dir=tmp_path / cache, options=PrepareOptions(), report=report)
