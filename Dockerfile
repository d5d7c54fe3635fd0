# forkpoint in an image: built with a compiler, run without one, as nobody in particular, with a real init as PID 1.
# The newest CPython whose frames forkpoint knows: python:3-slim may be one further.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY native native
COPY forkpoint forkpoint
RUN python -m venv /opt/forkpoint && /opt/forkpoint/bin/pip install --no-cache-dir '.[demo]'

FROM python:${PYTHON}-slim
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 forkpoint
COPY --from=build /opt/forkpoint /opt/forkpoint
ENV PATH=/opt/forkpoint/bin:$PATH
USER forkpoint
WORKDIR /home/forkpoint
# tini passes signals on and reaps: as PID 1 a program could not die of the signal that killed it.
ENTRYPOINT ["tini", "--"]
CMD ["forkpoint", "demo"]
