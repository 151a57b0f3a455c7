import json
import math
from contextlib import nullcontext
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from synthetic import write_recordings

from data_prep.prepare import PrepareOptions, prepare
from data_prep.shards import SplitTable
from rrweb_bert.__main__ import main
from rrweb_bert.evaluate import command, evaluating
from rrweb_bert.evaluate.batches import masked_batches
from rrweb_bert.evaluate.figures import MODEL, figures_of
from rrweb_bert.evaluate.ngrams import count_ngrams
from rrweb_bert.evaluate.predictors import Prediction
from rrweb_bert.evaluate.running import baselines_of, sum_split
from rrweb_bert.evaluation import sum_losses
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import VOCAB_SIZE

WINDOW = 128


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder, num_per_site=6, num_actions=12)
    return folder


@pytest.fixture(scope="module")
def corpus(recordings, tmp_path_factory):
    options = PrepareOptions(
        group_by="file", num_proc=1, test_fraction=0.2, validation_fraction=0.3, show_progress=False
    )
    output = tmp_path_factory.mktemp("prepared") / "corpus"
    return prepare([recordings], output, options, report=lambda _: None)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = model_config("tiny", window_tokens=WINDOW)
    config.hidden_size, config.intermediate_size = 16, 32
    torch.manual_seed(0)
    RRWebBertForMaskedLM(config).save_pretrained(folder)
    RRWebTokenizer().save_pretrained(folder)
    return folder


def _evaluate(model_dir, data, output, *flags):
    words = ["evaluate", str(model_dir), str(data), "--output", str(output), "--device", "cpu"]
    return main([*words, *flags])


def _result(output):
    return json.loads((output / command.JSON_FILE).read_text())


@pytest.fixture(scope="module")
def evaluated(model_dir, corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluated") / "new" / "folder"
    assert _evaluate(model_dir, corpus.path, output) == 0
    return output


def test_the_loss_is_that_of_the_evaluation_in_training(evaluated, model_dir, corpus):
    model = RRWebBertForMaskedLM.from_pretrained(model_dir).eval()
    table = SplitTable.open(corpus.path, "validation")
    batches = []
    for batch in masked_batches(
        table, RRWebTokenizer(), window_tokens=WINDOW, batch_size=4, num_windows=9999
    ):
        labels = np.full(batch.true_ids.shape, -100)
        labels[batch.rows, batch.columns] = batch.targets
        batches.append(
            {"input_ids": torch.from_numpy(batch.input_ids), "labels": torch.from_numpy(labels)}
        )
    sums = sum_losses(model, batches, device=torch.device("cpu"), autocast=nullcontext).metrics()
    figures = _result(evaluated)["splits"]["validation"]["predictors"][MODEL]
    assert figures["overall"]["loss"]["value"] == pytest.approx(sums["loss"], rel=1e-6)
    for kind, row in figures["by_kind"].items():
        assert row["loss"]["value"] == pytest.approx(sums[f"loss_{kind}"], rel=1e-6)


def test_a_random_model_is_near_chance(evaluated):
    for figures in _result(evaluated)["splits"].values():
        overall = figures["predictors"][MODEL]["overall"]
        assert overall["loss"]["value"] == pytest.approx(math.log(VOCAB_SIZE), rel=0.02)
        assert overall["accuracy"]["value"] < 0.02
        assert overall["top_5_accuracy"]["value"] < 0.04


def test_the_baselines_learn_what_the_random_model_does_not(evaluated):
    figures = _result(evaluated)["splits"]["validation"]
    assert list(figures["predictors"]) == [MODEL, "unigram", "trigram", "copy last"]
    accuracy = {
        name: row["overall"]["accuracy"]["value"] for name, row in figures["predictors"].items()
    }
    assert accuracy[MODEL] < accuracy["unigram"] < accuracy["trigram"]
    assert figures["model_minus"]["trigram"]["accuracy"]["high"] < 0


class _Perfect:
    """Knows the truth."""

    name = MODEL

    def predict(self, batch):
        return Prediction(
            best=batch.targets,
            is_among_best=np.ones(len(batch.targets), np.bool_),
            losses=np.zeros(len(batch.targets)),
        )


def test_a_model_that_predicts_perfectly_scores_one(corpus):
    table = SplitTable.open(corpus.path, "validation")
    sums = sum_split(
        table, RRWebTokenizer(), _Perfect(), [], window_tokens=WINDOW, batch_size=4, num_windows=99
    )
    figures = figures_of(sums)
    overall = figures["predictors"][MODEL]["overall"]
    for measure in ("accuracy", "top_5_accuracy", "grammatical", "grammatical_together"):
        assert overall[measure] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert overall["loss"]["value"] == 0
    assert overall["perplexity"]["value"] == 1
    assert "grammatical_when_wrong" not in overall
    heads = np.array(figures["heads"]["counts"])
    assert heads.sum() == np.trace(heads) > 0


def test_the_baselines_never_see_held_out_sessions(model_dir, corpus, tmp_path, monkeypatch):
    seen = []

    def spy(table, vocab_size, **options):
        seen.append(table)
        return count_ngrams(table, vocab_size, **options)

    monkeypatch.setattr(evaluating, "count_ngrams", spy)
    assert _evaluate(model_dir, corpus.path, tmp_path, "--split", "test", "--num_windows", "1") == 0
    assert [(table.corpus_dir, table.split) for table in seen] == [(corpus.path, "train")]


def test_a_canary_of_the_held_out_sessions_is_as_unlikely_as_what_never_occurs(
    write_corpus, tokenizer
):
    canary, never = 555, 556
    tables = write_corpus(
        train=[[10, 11, 12] * 30, [13, 14] * 30], validation=[[10, canary, 12] * 30] * 3
    )
    counts = count_ngrams(tables["train"], VOCAB_SIZE)
    unigram, trigram, copy = baselines_of(counts)
    assert counts.of_id[canary] == counts.of_id[never] == 0
    shares = trigram.shares(10, 4, 12)
    assert shares[canary] == pytest.approx(shares[never])
    # Letting them predict teaches them nothing.
    before = [predictor.predict for predictor in (unigram, trigram, copy)]
    (batch,) = masked_batches(
        tables["validation"], tokenizer, window_tokens=64, batch_size=9, num_windows=9
    )
    first = [predict(batch).best.tolist() for predict in before]
    assert [predict(batch).best.tolist() for predict in before] == first
    np.testing.assert_array_equal(trigram.shares(10, 4, 12), shares)


def test_figures_do_not_depend_on_the_batch_size(evaluated, model_dir, corpus, tmp_path):
    assert _evaluate(model_dir, corpus.path, tmp_path, "--batch_size", "3") == 0
    for split, figures in _result(evaluated)["splits"].items():
        other = _result(tmp_path)["splits"][split]
        assert figures["heads"] == other["heads"]
        for name, row in figures["predictors"].items():
            for measure, found in row["overall"].items():
                expected = found if isinstance(found, int) else pytest.approx(found, rel=1e-6)
                assert other["predictors"][name]["overall"][measure] == expected


def _assert_near(result, other):
    for split, figures in result["splits"].items():
        ours = figures["predictors"][MODEL]["overall"]
        theirs = other["splits"][split]["predictors"][MODEL]["overall"]
        assert ours["loss"]["value"] == pytest.approx(theirs["loss"]["value"], abs=0.01)
        assert figures["predictors"]["trigram"] == other["splits"][split]["predictors"]["trigram"]


def test_half_precision_gives_nearly_the_same_figures(evaluated, model_dir, corpus, tmp_path):
    assert _evaluate(model_dir, corpus.path, tmp_path, "--precision", "bf16") == 0
    assert _result(tmp_path)["settings"]["precision"] == "bf16"
    _assert_near(_result(tmp_path), _result(evaluated))


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_same_figures(evaluated, model_dir, corpus, tmp_path):
    words = ["evaluate", str(model_dir), str(corpus.path), "--device", "cuda"]
    assert main([*words, "--output", str(tmp_path / "first")]) == 0
    assert main([*words, "--output", str(tmp_path / "again")]) == 0
    first, again = _result(tmp_path / "first"), _result(tmp_path / "again")
    assert first["settings"]["precision"] == "fp16"
    assert first["splits"] == again["splits"]
    _assert_near(first, _result(evaluated))


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.addresses = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "xlink:href")]


def test_the_page_loads_nothing_and_tells_both_splits(evaluated):
    text = (evaluated / command.PAGE_FILE).read_text()
    page = _Page()
    page.feed(text)
    assert not page.addresses
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "validation: model and baselines" in text
    assert "test: model and baselines" in text


def test_names_of_sites_are_escaped_in_the_page(evaluated):
    from rrweb_bert.evaluate.page import evaluation_page

    result = _result(evaluated)
    result["splits"]["test"]["by_site"][0]["group"] = "<script>alert(1)</script>"
    assert "<script>" not in evaluation_page(result)


def test_the_summary_is_printed(model_dir, corpus, tmp_path, capsys):
    assert _evaluate(model_dir, corpus.path, tmp_path, "--split", "test", "--num_windows", "2") == 0
    out = capsys.readouterr().out
    assert "| trigram |" in out
    assert f"{tmp_path / command.JSON_FILE}" in out
    assert "in 2 windows" in out


def test_raw_recordings_are_prepared_into_the_cache(model_dir, recordings, tmp_path):
    flags = ["--cache_dir", str(tmp_path / "cache"), "--group_by", "file", "--num_proc", "1",
             "--validation_fraction", "0.3", "--num_windows", "1"]  # fmt: skip
    assert _evaluate(model_dir, recordings, tmp_path, "--split", "validation", *flags) == 0
    assert list((tmp_path / "cache" / "corpora").glob("*/corpus.json"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--window_tokens", "129"], "has 128 positions, fewer than --window_tokens 129"),
        (["--window_tokens", "7"], "at least 8"),
        (["--num_windows", "0"], "--num_windows must be at least 1"),
        (["--mlm_probability", "0"], "--mlm_probability"),
        (["--device", "cuda:99"], "no such CUDA GPU"),
        (["--device", "toaster"], "--device toaster is none"),
        (["--precision", "fp16"], "needs a CUDA GPU"),
    ],
)
def test_what_cannot_be_is_refused_in_words(model_dir, corpus, tmp_path, capsys, flags, message):
    words = ["evaluate", str(model_dir), str(corpus.path), "--output", str(tmp_path)]
    if "--device" not in flags:
        words += ["--device", "cpu"]
    assert main([*words, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_corpus_of_another_tokenizer_is_refused(corpus, small_model_proto, tmp_path, capsys):
    (tmp_path / "small.model").write_bytes(small_model_proto)
    tokenizer = RRWebTokenizer(bpe_model_file=tmp_path / "small.model")
    tokenizer.save_pretrained(tmp_path)
    config = model_config("tiny", window_tokens=WINDOW, vocab_size=tokenizer.vocab_size)
    RRWebBertForMaskedLM(config).save_pretrained(tmp_path)
    assert _evaluate(tmp_path, corpus.path, tmp_path / "out") == 2
    assert "was prepared with another tokenizer" in capsys.readouterr().err
    RRWebTokenizer().save_pretrained(tmp_path)
    assert _evaluate(tmp_path, corpus.path, tmp_path / "out") == 2
    assert "the model has 1,320 ids, the tokenizer beside it 12,520" in capsys.readouterr().err


def test_what_is_no_model_is_refused(corpus, tmp_path, capsys):
    assert _evaluate(tmp_path / "nothing", corpus.path, tmp_path) == 2
    assert "there is no such folder, and it is no name on the Hub" in capsys.readouterr().err


def test_a_model_whose_tokenizer_is_damaged_is_refused(model_dir, corpus, tmp_path, capsys):
    for path in model_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "text_bpe.model").write_bytes(b"nonsense")
    assert _evaluate(tmp_path, corpus.path, tmp_path / "out") == 2
    assert "holds no tokenizer" in capsys.readouterr().err


def test_an_empty_split_is_left_out_and_two_are_an_error(model_dir, recordings, tmp_path, capsys):
    options = PrepareOptions(
        group_by="file", num_proc=1, test_fraction=0, validation_fraction=0.3, show_progress=False
    )
    corpus = prepare([recordings], tmp_path / "corpus", options, report=lambda _: None)
    assert _evaluate(model_dir, corpus.path, tmp_path / "out", "--num_windows", "1") == 0
    assert "holds no session in test, which is left out" in capsys.readouterr().out
    assert _evaluate(model_dir, corpus.path, tmp_path / "out", "--split", "test") == 2
    assert "holds no session in test" in capsys.readouterr().err
