PACKAGES = rrweb_tokenizer data_prep rrweb_bert
SOURCES = $(PACKAGES) train_mlm.py tests benchmarks docs examples tools

.PHONY: style quality test docs fuzz crash soak cov
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
crash:
	pytest -m "slow or crash"
soak:
	pytest -m soak
cov:
	pytest --cov --cov-report=term-missing
