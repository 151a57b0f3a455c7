PACKAGES = rrweb_tokenizer data_prep rrweb_bert
SOURCES = $(PACKAGES) train_mlm.py tests benchmarks

.PHONY: style quality test cov
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
cov:
	pytest --cov --cov-report=term-missing
