# The gateway as a small image that runs as nobody in particular. Every package is checked against its hash.
#
#   docker build -t llm-gateway .
#   docker run --rm -p 127.0.0.1:8080:8080 -e ALLOW_ANONYMOUS=true -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY \
#              -e AWS_SESSION_TOKEN -e AWS_REGION llm-gateway
#
# It refuses to start without ALLOW_ANONYMOUS=true: whoever publishes the port decides who reaches it.

ARG PYTHON=3.13

FROM python:${PYTHON}-alpine AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN apk add --no-cache binutils
WORKDIR /build
RUN python -m venv --without-pip /app && mkdir /state

COPY requirements.lock requirements-build.lock ./
RUN pip --python /app/bin/python install --no-compile --require-hashes --no-deps -r requirements.lock \
 && pip install --no-compile --require-hashes --no-deps -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY src/llm_gateway src/llm_gateway
COPY for_agents for_agents
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /build/dist . \
 && pip --python /app/bin/python install --no-compile --no-deps --no-index /build/dist/*.whl

# Small: only the parts of botocore that are used, no compiled files, no symbols. The demo then is the test of what is
# left (it asks the gateway over stdio and HTTP), and compiles exactly what a server loads.
COPY docker/trim.py ./
RUN python trim.py /app/lib/python*/site-packages \
 && find /app -name '*.so' -exec strip --strip-unneeded {} + \
 && /app/bin/llm-gateway demo --fast

FROM python:${PYTHON}-alpine
LABEL org.opencontainers.image.title="llm-gateway" \
      org.opencontainers.image.description="Every Amazon Bedrock model through one MCP server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /state /state
ENV PATH=/app/bin:$PATH HOME=/state PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /state
VOLUME /state
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["llm-gateway"]
CMD ["serve", "--transport", "http", "--host", "0.0.0.0", "--port", "8080"]
