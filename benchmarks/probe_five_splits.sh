#!/usr/bin/env bash
# Five splits by site, a text model and a mini for each from its train sites, probes and retrieval
# on the rest.
#
#   benchmarks/probe_five_splits.sh RECORDINGS LABELS OUTPUT [train_mlm.py arguments...]
#
# The splits are those of the salts a to e, not chosen. Text model, weights and classifiers of a split
# know nothing of its held-out sites. What is there already is not made again, so an interrupted run
# goes on. On one H100 five models
# at once took 5 minutes; probes and retrieval then 15 minutes of 16 cores.
set -euo pipefail
recordings=$1 labels=$2 output=$3
shift 3
salts=(a b c d e)
pairs=()
for salt in "${salts[@]}"; do
    corpus=$output/corpus-$salt model=$output/mini-$salt text=$output/text-$salt
    split=(--group_by site --salt "$salt" --test_fraction 0.2 --validation_fraction 0.1)
    [[ -f $text/tokenizer_config.json ]] ||
        python -m data_prep train-text-model "$recordings" --output "$text" "${split[@]}"
    [[ -f $corpus/corpus.json ]] || python -m data_prep prepare "$recordings" --output "$corpus" \
        "${split[@]}" --tokenizer_name_or_path "$text"
    [[ -f $model/model.safetensors ]] || python train_mlm.py --data_dir "$corpus" \
        --tokenizer_name_or_path "$text" --output_dir "$model" --preset small_corpus "$@"
    pairs+=("$model:$corpus")
done
shared=(--labels "$labels" --cache_dir "$output/vectors" --pairs "${pairs[@]:1}" --num_proc 5)
first=("$output/mini-${salts[0]}" "$output/corpus-${salts[0]}")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python -m rrweb_bert probe "${first[@]}" "${shared[@]}" \
    --label goal --label visitor --label device \
    --label outcome:goal=search,form-fill,checkout,edit \
    --spans frustration_spans:frustration_evidenced:visitor=human \
    --json "$output/probe.json" --markdown "$output/probe.md"
python -m rrweb_bert retrieve "${first[@]}" "${shared[@]}" --label goal \
    --json "$output/retrieve.json" --markdown "$output/retrieve.md"
