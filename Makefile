# Every target sets up what it needs, once, in .venv; a second run starts at once.
# Packages come from the lock files, each checked against its hash; pip is used as this machine configures it.

VENV := .venv
CLIENTS := .venv-clients
BIN := $(VENV)/bin
PEERS := .bench-peers
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
CANDIDATES = $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
UV := uv>=0.9,<1
COVERAGE_FLOOR := 95

# The tests get no credentials: nothing of AWS in the environment, no files, no metadata service.
WITHOUT_AWS := for name in $$(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$$name"; done; \
	export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null;

BEDROCK ?= sandbox

unexport PYTHONPATH PYTHONHOME
.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-peers lint types contracts format lock wheel packages conformance clients clients-openai clients-strands clients-agents clean

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'
	@echo
	@echo "  make demo BEDROCK=aws     the demo on real Bedrock, with your own credentials"
	@echo "  make PYTHON=python3.12 …  another Python for .venv (3.11 or newer; after make clean)"

demo: $(VENV)/.installed  ## Show the gateway at work on a Bedrock of this machine
	@$(BIN)/llm-gateway demo --bedrock $(BEDROCK)

test: $(VENV)/.dev  ## Run all tests, without network and credentials, with coverage
	@$(WITHOUT_AWS) $(BIN)/python -m pytest -n auto --cov --cov-report=term --cov-fail-under=$(COVERAGE_FLOOR) $(ARGS)

bench: $(VENV)/.dev  ## Measure the gateway against a bare FastMCP server and the floor
	@$(WITHOUT_AWS) $(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.dev $(PEERS)/.made  ## Measure LiteLLM's proxy and Portkey's gateway beside this one (needs npm)
	@$(WITHOUT_AWS) $(BIN)/python -m benchmarks.peers $(ARGS)

lint: $(VENV)/.dev  ## Check style and form
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types, strictly
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.dev  ## Check that imports point down only
	@$(BIN)/lint-imports --no-logo --cache-dir $(VENV)/import_linter

format: $(VENV)/.dev  ## Write the form that lint asks for
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

packages: $(VENV)/.dev  ## Install the wheel and the image's packages into clean environments and use them
	@$(WITHOUT_AWS) $(BIN)/python -m pytest -m from_index tests/packaging

conformance: $(VENV)/.dev  ## Run MCP's conformance suite, the Inspector and the TypeScript clients (needs npm)
	@PYTHON=$(CURDIR)/$(BIN)/python tests/conformance/run.sh

clients: clients-openai clients-strands clients-agents  ## Ask through other people's clients and frameworks, each in an environment of its own

AS_A_CLIENT = $(WITHOUT_AWS) export GATEWAY_PYTHON=$(CURDIR)/$(BIN)/python; cd tests/$(1) && \
	$(CURDIR)/$(CLIENTS)/$(2)/bin/python -m pytest -q -p no:cacheprovider $(ARGS)

clients-openai: $(VENV)/.installed $(CLIENTS)/openai/.made $(CLIENTS)/node/.made
	@$(call AS_A_CLIENT,other_clients,openai) test_langchain.py test_llm.py test_mcp_adapters.py test_node_clients.py test_pydantic_ai.py

clients-strands: $(VENV)/.installed $(CLIENTS)/strands/.made
	@$(call AS_A_CLIENT,other_clients,strands) test_strands.py

clients-agents: $(VENV)/.installed $(CLIENTS)/agents/.made
	@$(call AS_A_CLIENT,other_agents,agents)

wheel: $(VENV)/.dev  ## Build dist/*.whl
	@rm -rf dist && $(BIN)/python -m hatchling build --target wheel

COMPILE = $(BIN)/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

lock: $(VENV)/.installed  ## Write the lock files anew (UPGRADE=1: with the newest versions that fit)
	@$(PIP) install "$(UV)"
	@$(COMPILE) --extra postgres --extra redis pyproject.toml -o requirements.lock
	@$(COMPILE) --group pyproject.toml:build -c requirements.lock -o requirements-build.lock
	@$(COMPILE) --group pyproject.toml:dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	@$(COMPILE) --group pyproject.toml:clients -o requirements-clients.lock
	@$(COMPILE) --group pyproject.toml:clients-strands -o requirements-clients-strands.lock
	@$(COMPILE) --group pyproject.toml:clients-agents -o requirements-clients-agents.lock

clean:  ## Remove everything that was made here
	@rm -rf $(VENV) $(PEERS) $(CLIENTS) dist build htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(PEERS)/.made: | $(VENV)/.made
	@echo "Setting up the gateways to compare with, each in an environment of its own (once) …"
	@$(BIN)/python -m venv $(PEERS)/litellm
	@$(PEERS)/litellm/bin/python -m pip --disable-pip-version-check -qq install 'litellm[proxy]'
	@npm install --silent --no-audit --no-fund --prefix $(PEERS)/portkey @portkey-ai/gateway
	@touch $@

$(VENV)/.made:
	@python=; for candidate in $(CANDIDATES); do \
		if "$$candidate" -c "$(FITS)" >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "make: no Python >= 3.11 with venv among: $(CANDIDATES); name one with make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) (once) …"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.locked: $(VENV)/.made requirements.lock requirements-build.lock
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --require-hashes --no-deps -r requirements-build.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	@echo "Setting up the tools for tests and checks (once) …"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(CLIENTS)/node/.made: $(wildcard tests/other_clients/node/package*.json) | $(VENV)/.made
	@echo "Setting up Node's clients in $(@D) (once) …"
	@$(BIN)/python tests/other_clients/node/install.py $(@D)

$(CLIENTS)/openai/.made: requirements-clients.lock
$(CLIENTS)/strands/.made: requirements-clients-strands.lock
$(CLIENTS)/agents/.made: requirements-clients-agents.lock
$(CLIENTS)/%/.made: | $(VENV)/.made
	@echo "Setting up the clients' environment $(@D) (once) …"
	@rm -rf $(@D) && $(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check -qq install --no-compile --require-hashes --no-deps -r $(filter %.lock,$^)
	@touch $@
