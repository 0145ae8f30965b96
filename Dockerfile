# rtpipeline with TotalSegmentator and nnU-Net beside it.
#   docker build -t rtpipeline .                                  GPU image (default)
#   docker build --build-arg TORCH=cpu -t rtpipeline:cpu .        CPU image
ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY src src
COPY benches benches
COPY config.yaml ./
COPY custom_structures custom_structures
RUN cargo build --release --locked --bin rtpipeline

FROM python:3.11-slim-bookworm
ARG TORCH=cu121
COPY envs/requirements-segmentation.txt /tmp/requirements.txt
# The CPU wheels are much smaller; the default index carries the CUDA build.
RUN if [ "$TORCH" = cpu ]; then pip install --no-cache-dir "torch==2.3.*+cpu" || pip install --no-cache-dir "torch==2.3.*"; fi \
 && pip install --no-cache-dir -r /tmp/requirements.txt \
 && rm /tmp/requirements.txt
RUN useradd --create-home --uid 1000 rtpipeline \
 && mkdir -p /data/input /data/output /data/logs /data/weights \
 && chown -R rtpipeline:rtpipeline /data
COPY --from=build /src/target/release/rtpipeline /usr/local/bin/rtpipeline
COPY config.yaml /opt/rtpipeline/config.yaml
COPY custom_structures /opt/rtpipeline/custom_structures
COPY custom_models /opt/rtpipeline/custom_models
ENV TOTALSEG_WEIGHTS_PATH=/data/weights \
    PYTHONUNBUFFERED=1
WORKDIR /opt/rtpipeline
USER rtpipeline
ENTRYPOINT ["rtpipeline"]
CMD ["run", "--dicom-root", "/data/input", "--outdir", "/data/output", "--logs", "/data/logs"]
