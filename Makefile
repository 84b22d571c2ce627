# Everything a developer or an operator types. `make` alone prints this help.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail

export GOLANGCI_VERSION := v2.15.0
export GOTESTSUM_VERSION := v1.13.0
export HELM_VERSION := v3.22.0
export KUBECONFORM_VERSION := v0.8.0
export CNI_VERSION := v1.8.0
export CYCLONEDX_VERSION := v1.10.0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ifneq ($(wildcard .git),)
  ifeq ($(VERSION),unknown)
    $(warning git cannot read this clone. If another user owns it, say: git config --global --add safe.directory $(CURDIR))
  endif
endif
LDFLAGS := -X main.version=$(VERSION)
timed = @scripts/timed.sh "$(1)"

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Fetch and build what running needs (below var/; again: only what is missing)
	@scripts/setup/setup.sh

.PHONY: setup-openvino
setup-openvino: ## Fetch OpenVINO (52 MB), which provider auto then takes on an Intel processor
	@scripts/setup/setup.sh tools openvino

.PHONY: build
build: setup ## Build bin/quadrate
	$(call timed,build) go build -ldflags "$(LDFLAGS)" -o bin/quadrate ./cmd/server

.PHONY: bench-client
bench-client: ## Build bin/quadrate-bench, the load client (no cgo, no set-up); docs/bench.md
	$(call timed,build) env CGO_ENABLED=0 go build -ldflags "$(LDFLAGS)" -o bin/quadrate-bench ./cmd/bench

.PHONY: enginebench
enginebench: setup ## Build bin/quadrate-enginebench: the engine in process against ONNX Runtime alone
	$(call timed,build) go build -ldflags "$(LDFLAGS)" -o bin/quadrate-enginebench ./cmd/enginebench

.PHONY: figures
figures: build enginebench ## Measure the project's figures on MiniLM (minutes, on a quiet machine; ARGS="-rounds 9")
	bin/quadrate-enginebench -model var/models/all-MiniLM-L6-v2 -duration 5s -figures docs/benchmarks/figures.md $(ARGS)

.PHONY: gateway
gateway: ## Build bin/quadrate-gateway: a router without local models, for machines without native libraries
	$(call timed,build) env CGO_ENABLED=0 go build -ldflags "$(LDFLAGS)" -o bin/quadrate-gateway ./cmd/server

.PHONY: gateway-bench
gateway-bench: gateway ## Measure what the gateway costs against going directly and a plain proxy (ARGS="-rounds 9")
	$(call timed,build) env CGO_ENABLED=0 go build -o bin/quadrate-gatewaybench ./cmd/gatewaybench
	bin/quadrate-gatewaybench -server bin/quadrate-gateway -out docs/benchmarks/gateway.md $(ARGS)

.PHONY: playground
playground: ## Build the pages at /playground and /docs from playground/ into playground/assets, to be committed
	@scripts/setup/setup.sh node npm
	$(call timed,playground) playground/build.sh

.PHONY: playground-test
playground-test: build ## Check the playground's sources and what was built of them, and use it in a browser
	@scripts/setup/setup.sh testmodels pytest node npm browser chromium
	@scripts/test.sh playground browser

.PHONY: soak
soak: build bench-client ## Send 200,000 short requests to all routes and watch the server's memory (N=...)
	scripts/soak.sh $(or $(N),200000)

.PHONY: run
run: build ## Set up, build and serve on http://localhost:8000 (ARGS="-config FILE")
	@bin/quadrate $(ARGS)

.PHONY: demo
demo: build ## Start on a free port, send a rerank and an embedding, print the answers, stop
	@var/venv/bin/python scripts/demo.py bin/quadrate

.PHONY: check
check: ## Format, vet and the tests that need no native library (under a minute once compiled)
	$(call timed,format) scripts/check_format.sh
	$(call timed,vet) env CGO_ENABLED=0 go vet ./...
	$(call timed,build without cgo) env CGO_ENABLED=0 go build ./...
	$(call timed,tests without cgo) env CGO_ENABLED=0 go test -short ./...
	$(call timed,import table) go test -count=1 ./internal/arch

.PHONY: test
test: test-setup ## Set up what is missing and run every test (what .ci/run runs)
	@scripts/test.sh

.PHONY: test-setup
test-setup:
	@scripts/setup/setup.sh tools redis commands modules onnxruntime tokenizers exporter model testmodels pytest clients openapi examples helm k8s gotestsum lint node npm browser chromium

.PHONY: test-short
test-short: ## The Go tests with native libraries, without the long end-to-end runs
	$(call timed,go test) env QUADRATE_REQUIRE_MODELS=1 go test -short ./...

.PHONY: test-torch
test-torch: ## Test the PyTorch export route (fetches PyTorch below var/ on first use: 2.6 GB)
	@scripts/setup/setup.sh torch torchtest
	@scripts/test.sh torch

.PHONY: test-infinity
test-infinity: test-setup ## Test the gateway before a real Infinity (fetches it and PyTorch below var/: 2.6 GB)
	@scripts/setup/setup.sh infinity
	@scripts/test.sh infinity

.PHONY: test-openvino
test-openvino: test-setup setup-openvino ## The Go tests of OpenVINO's provider; on an Intel processor
	$(call timed,OpenVINO) env QUADRATE_REQUIRE_MODELS=1 go test -count=1 -run OpenVINO -v ./inference/...

.PHONY: test-gpu-options
test-gpu-options: test-setup ## Test what GPU providers are told against the real ones (255 MB), without a GPU
	@scripts/setup/setup.sh onnxruntime-gpu
	$(call timed,GPU options) scripts/test_gpu_options.sh

.PHONY: lint
lint: ## golangci-lint
	@scripts/setup/setup.sh tools modules tokenizers lint
	$(call timed,golangci-lint) var/tools/golangci-lint run

.PHONY: vuln
vuln: ## govulncheck; needs the vulnerability database on the network
	$(call timed,govulncheck) go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

.PHONY: docker-test
docker-test: ## Build the CPU image without pulling anything, run it and test it (root; Debian's docker.io; ARGS=source: Go and Rust, too)
	@scripts/image/test.sh $(ARGS)

.PHONY: managed-test
managed-test: ## Test managed containers on a real engine, with images made on the spot (root; Debian's docker.io)
	@scripts/managed/test.sh $(ARGS)

.PHONY: start-all
start-all: build ## Check Ollama, start TEI and vLLM by Compose, then the server (ARGS="stop" stops it all)
	@scripts/start-all.sh $(ARGS)

.PHONY: compose-test
compose-test: ## Check deploy/compose and bring its base stack up, with images made on the spot (root; Debian's docker.io)
	@scripts/compose/test.sh $(ARGS)

.PHONY: k8s-test
k8s-test: ## Run the Helm chart in a real Kubernetes of two nodes, built from its Go modules (root; Debian's docker.io)
	@scripts/k8s/test.sh $(ARGS)

.PHONY: k8s-manifests
k8s-manifests: ## Render deploy/k8s/manifests from the Helm chart
	@scripts/setup/setup.sh helm
	@scripts/k8s/render.sh

.PHONY: release
release: ## Make a release's archives, checksums and bills of materials below dist/ (ARGS="--out FOLDER VERSION")
	@scripts/release.sh $(ARGS)

.PHONY: release-test
release-test: test-setup ## Make a release and try what is in it (root; minutes)
	@scripts/test.sh release

.PHONY: gpu-check
gpu-check: build bench-client enginebench ## Check and measure on this machine's NVIDIA GPU; writes gpu_report.md (ARGS="--help")
	@scripts/setup/setup.sh onnxruntime-gpu
	@scripts/gpu_check.sh $(ARGS)

.PHONY: bench
bench: ## The Go benchmarks: batcher, tokenizer, encoder, sessions, JSON
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: int8-frontier
int8-frontier: ## Measure ways to compute MiniLM in int8 (about half an hour); docs/benchmarks/int8.md
	@scripts/setup/setup.sh exporter model
	@PYTHONPATH=scripts var/venv/bin/python scripts/int8_frontier.py

.PHONY: clean
clean: ## Remove what was built; keeps var/ (remove that folder by hand to start anew)
	rm -rf bin
