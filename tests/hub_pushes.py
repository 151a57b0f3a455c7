"""What a push to the fake hub is compared with."""

PUBLISHED = {
    "1_Pooling/config.json",
    "README.md",
    "config.json",
    "loss_and_lr.png",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "structural_vocab.json",
    "text_bpe.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "training_history.json",
    "training_summary.json",
}
REPO = "someone/rrweb"


def error_of(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]
