# The CPU image:  docker build -t quadrate .
# It needs BuildKit (the default since Docker 23; DOCKER_BUILDKIT=1 before) and no frontend
# of its own. The final stage runs no command while it is built, so any base with glibc 2.36
# and libstdc++ will do. Where no image can be pulled, build outside and name your own base:
#   scripts/image/stage.sh var/image
#   docker build --build-arg BUILDER=prebuilt --build-arg BASE=my-base -t quadrate .
ARG BASE=debian:12-slim
ARG GO_IMAGE=golang:1.26-bookworm
ARG RUST_IMAGE=rust:1.95-bookworm
# source: everything is built here. prebuilt: var/image holds what stage.sh has laid out.
ARG BUILDER=source

FROM ${RUST_IMAGE} AS rust

FROM ${GO_IMAGE} AS source
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential ca-certificates python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY . .
ARG VERSION=unknown
RUN VERSION=${VERSION} scripts/image/stage.sh /out cpu

FROM ${BASE} AS prebuilt
COPY var/image /out

FROM ${BUILDER} AS built

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="quadrate" \
      org.opencontainers.image.description="Inference server for embedding models and rerankers on ONNX Runtime" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# What changes least comes first.
COPY --from=built /out/usr/local/lib/ /usr/local/lib/
COPY --from=built /out/usr/local/share/ /usr/local/share/
COPY --from=built /out/etc/ /etc/
COPY --from=built /out/usr/local/bin/ /usr/local/bin/
COPY --from=built --chown=10001:10001 /out/models /models
ENV QUADRATE_CONFIG=/etc/quadrate/server.yaml
USER 10001:10001
WORKDIR /models
VOLUME /models
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s CMD ["/usr/local/bin/quadrate", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/quadrate"]
