# One image for every process of netmon; the command decides which. Alone it runs all of them on SQLite:
#   docker run -p 127.0.0.1:8000:8000 -v netmon:/var/lib/netmon netmon:0.1.0
# docker-compose.yml runs them apart, on PostgreSQL and Redis.

FROM python:3.11-slim-bookworm AS build
COPY requirements/base.txt /tmp/base.txt
# Wheels only and by hash: nothing is compiled, and nothing comes in that the lock does not know.
RUN python -m venv /opt/netmon \
 && /opt/netmon/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r /tmp/base.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/netmon/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NETMON_VAR_DIR=/var/lib/netmon
RUN groupadd --system --gid 10001 netmon \
 && useradd --system --uid 10001 --gid netmon --home-dir /var/lib/netmon --no-create-home netmon \
 && install -d -m 0700 -o netmon -g netmon /var/lib/netmon
COPY --from=build /opt/netmon /opt/netmon
WORKDIR /srv/netmon
# .dockerignore lists what comes in: the product, and neither tests nor data.
COPY . .
USER netmon
# Settings want keys; these end with this layer. Static files stay in the image: no volume is declared over them, since
# one would keep those of an older release.
RUN NETMON_SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    NETMON_FERNET_KEYS="$(python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
    NETMON_API_KEY_PEPPERS="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    python manage.py collectstatic --noinput --verbosity 0
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "netmon.healthcheck"]
CMD ["python", "manage.py", "run", "--bind", "0.0.0.0:8000"]
