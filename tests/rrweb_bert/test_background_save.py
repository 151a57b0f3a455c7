import pytest
import torch

from rrweb_bert.background_save import BackgroundWriter, copy_to_cpu


def test_what_is_written_is_the_state_at_the_time_of_the_call(tmp_path):
    state = {"step": 3, "moments": [torch.zeros(4), (torch.ones(2), "name")]}
    writer = BackgroundWriter()
    writer.save(state, tmp_path / "optimizer.pt")
    state["moments"][0].fill_(7)
    writer.wait()
    written = torch.load(tmp_path / "optimizer.pt", weights_only=True)
    assert written["step"] == 3
    assert torch.equal(written["moments"][0], torch.zeros(4))
    assert torch.equal(written["moments"][1][0], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["optimizer.pt"]


def test_copies_share_no_memory_with_the_original():
    tensor = torch.zeros(3)
    copied = copy_to_cpu({"a": tensor})
    tensor.fill_(1)
    assert torch.equal(copied["a"], torch.zeros(3))


def test_a_file_that_cannot_be_written_is_reported_at_the_next_wait(tmp_path):
    writer = BackgroundWriter()
    writer.save({"a": torch.zeros(1)}, tmp_path / "missing" / "optimizer.pt")
    with pytest.raises((OSError, RuntimeError), match="missing"):
        writer.wait()
    writer.wait()
