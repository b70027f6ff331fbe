# The production image: what API, workers, beat, Flower and commands run, and nothing else. No sandbox, no tests, no bench.

# Pinned by tag. Whoever builds for production pins the digest too, which only a registry can tell:
#   docker buildx imagetools inspect python:3.13-slim-bookworm
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS packages
RUN python -m venv --without-pip /opt/venv
COPY requirements/runtime.lock /tmp/runtime.lock
# Every file is checked against its hash, and nothing is built here: a build would fetch tools without one.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
    --no-deps --only-binary :all: --require-hashes --requirement /tmp/runtime.lock

FROM ${PYTHON}
# A number, so that an orchestrator can see that it is not root.
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin toritsugi
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY celeryconfig.py beat_schedule.py ./
COPY models models
COPY worker worker
COPY tasks tasks
COPY api api
# Compiled once, here, as pip did with the packages: the user may write neither below /app nor below /opt.
RUN python -m compileall -q /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ENVIRONMENT=production
USER 10001:10001
EXPOSE 8000
# Workers finish the jobs they do; see stop_grace_period in docker-compose.yml.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "uvicorn", "api.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", "--no-access-log"]
