import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rrweb_bert.mfu import flops_per_token, peak_flops, utilisation
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config


def test_the_formula_counts_what_torch_counts():
    config = model_config("tiny", window_tokens=64, hidden_dropout=0.0, attention_dropout=0.0)
    config._attn_implementation = "eager"  # torch counts no products inside of fused attention
    model = RRWebBertForMaskedLM(config).train()
    ids = torch.randint(5, 500, (2, 64))
    labels = torch.full_like(ids, -100)
    labels[:, ::4] = ids[:, ::4]
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=labels).loss.backward()
    ours = flops_per_token(config, window_tokens=64, mlm_probability=0.25) * ids.numel()
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.02)


def test_base_at_2048_ids_takes_745_megaflop_an_id():
    config = model_config("base")
    flops = flops_per_token(config, window_tokens=2048, mlm_probability=0.15)
    assert flops == pytest.approx(510e6 + 226e6 + 9e6, rel=0.005)


@pytest.mark.parametrize(
    ("name", "fp16", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4, 989.4),
        ("NVIDIA H100 PCIe", 756.0, 756.0),
        ("NVIDIA H100 NVL", 835.5, 835.5),
        ("NVIDIA A100-SXM4-80GB", 312.0, 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0, 312.0),
        ("NVIDIA A10", 125.0, 125.0),
        ("NVIDIA A10G", None, None),
        ("NVIDIA L4", 121.0, 121.0),
        ("NVIDIA L40S", 362.0, 362.0),
        ("NVIDIA GeForce RTX 3090", 71.0, 71.0),
        ("NVIDIA GeForce RTX 3090 Ti", None, None),
        ("Tesla V100-SXM2-16GB", 125.0, None),
        ("Tesla T4", 65.0, None),
        ("Quadro T400", None, None),
    ],
)
def test_peaks_are_those_of_the_named_card(name, fp16, bf16):
    for precision, tflops in (("fp16", fp16), ("bf16", bf16), ("fp32", None)):
        expected = None if tflops is None else tflops * 1e12
        assert peak_flops(name, precision) == expected


def test_a_cpu_has_no_utilisation():
    given = {"tokens_per_second": 1e3, "window_tokens": 64, "mlm_probability": 0.15}
    device = torch.device("cpu")
    assert utilisation(model_config("tiny"), device=device, precision="fp32", **given) == {}


def test_utilisation_of_the_measured_speed_on_an_h100(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    found = utilisation(
        model_config("base"),
        device=torch.device("cuda"),
        precision="fp16",
        tokens_per_second=450e3,
        window_tokens=2048,
        mlm_probability=0.15,
    )
    assert found["mfu"] == pytest.approx(0.339, abs=0.001)
