import struct

from rrweb_bert.__main__ import main
from rrweb_bert.history import TrainingHistory


def test_picture_is_drawn_from_the_history(tmp_path, capsys):
    history = TrainingHistory.load(tmp_path)
    for step in range(0, 100, 10):
        history.append({"step": step, "loss": 9 - step / 20, "learning_rate": step / 1e6})
    history.append({"step": 50, "eval_loss": 6.5})
    assert main(["plot", str(tmp_path)]) == 0
    picture = tmp_path / "loss_and_lr.png"
    assert capsys.readouterr().out.strip() == str(picture)
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert (width, height) == (1080, 720)


def test_nothing_to_draw_is_a_clear_error(tmp_path, capsys):
    assert main(["plot", str(tmp_path)]) == 2
    assert "training_history.json is missing or empty" in capsys.readouterr().err
