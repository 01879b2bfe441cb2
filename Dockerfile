# One image for every service: `casetrail serve recorder`, `casetrail serve projector`, and the commands for people.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements-run.lock ./
RUN python -m venv /opt/casetrail \
    && /opt/casetrail/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-run.lock
COPY . .
RUN /opt/casetrail/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/casetrail --create-home casetrail
COPY --from=build /opt/casetrail /opt/casetrail
ENV PATH=/opt/casetrail/bin:$PATH PYTHONUNBUFFERED=1
# What is kept here may be lost at any time: a recorder's state file is rebuilt from the log.
WORKDIR /var/lib/casetrail
USER casetrail
ENTRYPOINT ["casetrail"]
CMD ["--help"]
