# keepstep in a small image: no compiler, no shell tools beyond Debian's, not root.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /keepstep
COPY scripts scripts
RUN scripts/setup build
COPY . .
# The caches outlive a change of the code, so that librdkafka and OpenSSL are compiled once.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/keepstep/target \
    cargo build --release --locked --bin keepstep && install -D target/release/keepstep /out/keepstep

FROM debian:12.11-slim
# OpenSSL is inside the binary; the certificates of the authorities are the system's.
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin keepstep \
    && install -d -o keepstep /var/lib/keepstep
COPY --from=build /out/keepstep /usr/local/bin/keepstep
USER keepstep
# For a SQLite destination or the embedded log; nothing else is written.
WORKDIR /var/lib/keepstep
VOLUME /var/lib/keepstep
EXPOSE 9187
ENTRYPOINT ["keepstep"]
CMD ["run", "--config", "/etc/keepstep/keepstep.toml"]
