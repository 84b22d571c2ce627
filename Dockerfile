# The CPU image:  docker build $(scripts/image/stamp.sh) -t quadrate .
#   --target export              the exporter alone: scripts/export_onnx.sh's command line
#   --build-arg EXPORTER=without  a smaller one, without QUADRATE_FETCH (docs/images.md)
# It needs BuildKit (the default since Docker 23; DOCKER_BUILDKIT=1 before) and no frontend
# of its own. Any base with glibc 2.36, libstdc++ and a Python 3.11 will do (for another, PYTHON says
# which); where it has no Python, apt-get must be able to bring one. Where no image can be pulled,
# build outside and name your own base:
#   scripts/image/stage.sh var/image
#   docker build -f Dockerfile --build-arg BUILDER=prebuilt --build-arg BASE=my-base -t quadrate var/image
# Tags are exact. Digests are not in here, because none could be verified where this was written:
# scripts/image/digests.sh prints the build arguments that pin today's.
ARG BASE=debian:12.15-slim
ARG GO_IMAGE=golang:1.26.8-bookworm
ARG RUST_IMAGE=rust:1.95.0-bookworm
# source: everything is built here. prebuilt: the context is what stage.sh has laid out.
ARG BUILDER=source
ARG EXPORTER=with

FROM ${RUST_IMAGE} AS rust

# What changes least comes first here, too: a commit that changes Go files alone compiles those
# packages and links. The folder of what Go has compiled is the builder's, and in no image.
FROM ${GO_IMAGE} AS source
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential ca-certificates git python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY go.mod go.sum ./
COPY scripts/setup scripts/setup
RUN scripts/setup/setup.sh tools modules onnxruntime tokenizers
COPY scripts/requirements.txt scripts/export_onnx.sh scripts/
COPY scripts/quadrate_export scripts/quadrate_export
COPY scripts/quadrate_export_torch scripts/quadrate_export_torch
COPY scripts/image scripts/image
ARG PYTHON=3.11
RUN IMAGE_PYTHON=${PYTHON} scripts/image/stage.sh /out cpu exporter model
COPY Makefile ./
RUN --mount=type=cache,target=/root/.cache/go-build scripts/setup/setup.sh cyclonedx
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/root/.cache/go-build VERSION=${VERSION} scripts/image/stage.sh /out cpu programs

# Its context is not the repository but what stage.sh has laid out.
FROM ${BASE} AS prebuilt
COPY . /out

FROM ${BUILDER} AS built

FROM ${BASE} AS without

# The exporter is below the programs, because it changes less often. Its last command fails the
# build, not the first user, where the base's Python does not fit the packages.
FROM ${BASE} AS with
RUN command -v python3 >/dev/null \
 || { apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; }
COPY --from=built /out/exporter/ /
RUN /usr/local/bin/quadrate-export --check

FROM ${EXPORTER} AS quadrate
# What changes least comes first.
COPY --from=built --chown=10001:10001 /out/models /models
COPY --from=built /out/usr/local/lib/ /usr/local/lib/
COPY --from=built /out/etc/ /etc/
COPY --from=built /out/usr/local/share/quadrate/ /usr/local/share/quadrate/
COPY --from=built /out/usr/local/share/doc/ /usr/local/share/doc/
COPY --from=built /out/usr/local/bin/ /usr/local/bin/
ENV QUADRATE_CONFIG=/etc/quadrate/server.yaml
USER 10001:10001
WORKDIR /models
VOLUME /models
EXPOSE 8000
STOPSIGNAL SIGTERM
# Failures before the first success do not count for the start period, which is as long as a fetch may take.
HEALTHCHECK --interval=10s --timeout=6s --start-period=1800s CMD ["/usr/local/bin/quadrate", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/quadrate-entrypoint"]
# Labels come last, since every commit changes them.
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://github.com/quadrate-maas/quadrate
LABEL org.opencontainers.image.title="quadrate" \
      org.opencontainers.image.description="Inference server for embedding models and rerankers on ONNX Runtime" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}/blob/main/docs/images.md" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}"

FROM quadrate AS export
LABEL org.opencontainers.image.title="quadrate-export" \
      org.opencontainers.image.description="Exports models of the Hugging Face hub for Quadrate"
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/quadrate-export"]

FROM quadrate
