# An image with the command `pada`.
#
#   docker build -t pada-ray .                                       # for CPUs
#   docker build -t pada-ray --build-arg TORCH_BACKEND=cu128 .       # for GPUs, with CUDA 12.8; then run with --gpus all
#   docker run --rm --shm-size=4g -v "$PWD:/work" pada-ray run tickets.yaml
#
# Ray keeps its objects in shared memory, of which a container has too little unless told. Runs and models are written
# below /work. `-e TEACHER_API_KEY` hands a key on without writing it down.
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim

# What `uv pip install --torch-backend` takes: cpu, cu128, auto, ... It finds the build of torch for it.
ARG TORCH_BACKEND=cpu
# Such as gguf,datasets,tracking,s3.
ARG EXTRAS=datasets,gguf,s3,tracking

RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY constraints.txt ./
RUN uv pip install --system --no-cache --torch-backend=${TORCH_BACKEND} -c constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY pada_ray ./pada_ray
COPY actors ./actors
COPY jobs ./jobs
RUN uv pip install --system --no-cache --torch-backend=${TORCH_BACKEND} -c constraints.txt ".[${EXTRAS}]" \
    && rm -rf /src

# Files that it writes belong to the first user of most machines; `--user` names another one, who is given this home too:
# Ray's token is kept there.
RUN useradd --create-home --uid 1000 pada && chmod 1777 /home/pada && mkdir /work && chown pada /work
ENV HOME=/home/pada
USER pada
WORKDIR /work
ENTRYPOINT ["pada"]
CMD ["--help"]
