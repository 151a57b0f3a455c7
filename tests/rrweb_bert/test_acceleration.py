import pytest
import torch

from rrweb_bert.acceleration import accelerate, choose_layers
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config


@pytest.mark.parametrize(
    ("mode", "capability", "has_triton", "is_plain", "layers", "why"),
    [
        ("auto", (9, 0), True, True, "fused", "9.0"),
        ("auto", (8, 0), True, True, "fused", "8.0"),
        ("auto", (7, 5), True, True, "compiled", "7.5"),
        ("auto", (6, 1), True, True, "eager", "6.1"),
        ("auto", (9, 0), False, True, "eager", "triton"),
        ("auto", (9, 0), True, False, "compiled", "not fused"),
        ("auto", None, True, True, "eager", "no CUDA"),
        ("on", None, False, True, "compiled", "--compile on"),
        ("off", (9, 0), True, True, "eager", "--compile off"),
    ],
)
def test_layers_follow_from_what_the_machine_can_do(
    mode, capability, has_triton, is_plain, layers, why
):
    chosen, reason = choose_layers(
        mode, capability=capability, has_triton=has_triton, is_plain=is_plain
    )
    assert chosen == layers
    assert why in reason


def test_what_runs_is_said_in_one_line():
    model = RRWebBertForMaskedLM(model_config("tiny", window_tokens=16))
    chosen = accelerate(
        model, "auto", device=torch.device("cpu"), precision="fp32", window_tokens=16
    )
    assert model.fused_kernels is None
    assert chosen.describe() == (
        "attention: torch's own for CPUs; layers: eager (no CUDA device); precision: fp32"
    )
