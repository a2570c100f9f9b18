# One image for api and worker; the command says which.
FROM rust:1.95-slim-bookworm AS build
# The allocator of the api is built with make.
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /heyi
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/heyi/target \
    cargo build --release --locked --package heyi-api --package heyi-worker \
    && install --target-directory /usr/local/bin target/release/heyi-api target/release/heyi-worker

FROM debian:bookworm-slim
# The roots that PayJS and WeChat are checked against.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/heyi-api /usr/local/bin/heyi-worker /usr/local/bin/
# The licence of the font within heyi-api.
COPY api/fonts/OFL.txt /usr/share/doc/heyi/OFL.txt
USER 10001:10001
EXPOSE 8080 9090 9091
CMD ["heyi-api"]
