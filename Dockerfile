# Bothways in a container, for CPU and for NVIDIA GPUs: docs/docker.md
#   docker build -t bothways .
#   docker build -t bothways --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .      # without CUDA, smaller
#   docker build -t bothways --build-arg EXTRAS=video,app .                                      # some extras, not all
FROM python:3.11-slim

ARG EXTRAS=all
ARG TORCH_INDEX=https://pypi.org/simple

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1

# Libraries first, which change rarely: the code is not there yet, so setup.cfg is read without its packages.
WORKDIR /libraries
COPY setup.cfg pyproject.toml constraints.txt ./
RUN sed -i -e '/^packages =/d' -e '/^py_modules =/d' setup.cfg \
    && export PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
    && pip install --extra-index-url "$TORCH_INDEX" --editable ".[$EXTRAS]"

# The code, read-only, and the commands bothways-train, bothways-test, bothways-evaluate, ...
WORKDIR /bothways
COPY . .
RUN pip install --no-deps --editable . && rm -r /libraries

# Whoever runs it, also with --user, may write to the working folder, its volumes and the home.
RUN useradd --create-home --uid 1000 bothways \
    && mkdir -p /data/datasets /data/checkpoints /data/results \
    && chmod -R 1777 /data /home/bothways
USER bothways
ENV HOME=/home/bothways USER=bothways
WORKDIR /data
VOLUME ["/data/datasets", "/data/checkpoints", "/data/results"]
EXPOSE 7860

CMD ["bothways-train", "--help"]
