PACKAGES = rrweb_tokenizer data_prep rrweb_bert
SOURCES = $(PACKAGES) train_mlm.py tests benchmarks docs examples tools

.PHONY: style quality test docs fuzz crash crash-runs crash-others soak cov
style:
	ruff format $(SOURCES)
	ruff check --fix $(SOURCES)
quality:
	ruff format --check $(SOURCES)
	ruff check $(SOURCES)
	mypy $(PACKAGES)
	codespell
test:
	pytest
docs:
	python tools/house.py
	python -m sphinx -W --keep-going -q -E -j auto -c docs . build/docs
fuzz:
	pytest -m fuzz
# Two halves of about the same length: make -j2 -O crash
crash: crash-runs crash-others
crash-runs:
	pytest -m "slow or crash" tests/crash
crash-others:
	pytest -m "slow or crash" --ignore=tests/crash
soak:
	pytest -m soak
cov:
	pytest --cov --cov-report=term-missing
