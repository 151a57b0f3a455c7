#!/usr/bin/env bash
# Five splits by site, a mini pre-trained on the train sites of each, probes and retrieval on the rest.
#
#   benchmarks/probe_five_splits.sh RECORDINGS LABELS OUTPUT [train_mlm.py arguments...]
#
# The five salts were chosen by coverage alone, before anything was trained: together they hold out
# 42 of the 43 sites of the recordings in docs/results.md, 8 to 10 each, one shop in each. What is there
# already is not made again, so an interrupted run goes on. On one H100: 3 minutes a model.
set -euo pipefail
recordings=$1 labels=$2 output=$3
shift 3
salts=(1921 570 2197 1731 1860)
pairs=()
for salt in "${salts[@]}"; do
    corpus=$output/corpus-$salt model=$output/mini-$salt
    [[ -f $corpus/corpus.json ]] || python -m data_prep prepare "$recordings" --output "$corpus" \
        --group_by site --salt "$salt" --test_fraction 0.1 --validation_fraction 0.12
    [[ -f $model/model.safetensors ]] || python train_mlm.py --data_dir "$corpus" \
        --output_dir "$model" --model_size mini "$@"
    pairs+=("$model:$corpus")
done
shared=(--labels "$labels" --cache_dir "$output/vectors" --pairs "${pairs[@]:1}" --num_proc 5)
first=("$output/mini-${salts[0]}" "$output/corpus-${salts[0]}")
python -m rrweb_bert probe "${first[@]}" "${shared[@]}" \
    --label goal --label visitor --label device \
    --label outcome:goal=search,form-fill,checkout,edit \
    --spans frustration_spans:frustration_evidenced:visitor=human \
    --json "$output/probe.json" --markdown "$output/probe.md"
python -m rrweb_bert retrieve "${first[@]}" "${shared[@]}" --label goal \
    --json "$output/retrieve.json" --markdown "$output/retrieve.md"
