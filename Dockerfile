# penstock's own processes: the wheel alone, as a user without rights, in an empty folder. `docker compose up --build`.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock .
# The lock holds the development tools too; as constraints it gives the wheel's own dependencies their tested versions.
RUN sed -E '/^ +--hash=/d; s/ *\\$//' requirements.lock > /constraints.txt \
 && python -m venv /opt/penstock
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
 && /opt/penstock/bin/pip install --no-cache-dir --constraint /constraints.txt /wheel/*.whl

FROM python:3.11-slim-bookworm
COPY --from=build /opt/penstock /opt/penstock
# Our package names are generic (schemas, infra, ...): nothing in the working folder may stand in for them.
ENV PATH=/opt/penstock/bin:$PATH PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
RUN useradd --system --create-home --home-dir /var/lib/penstock penstock
USER penstock
WORKDIR /var/lib/penstock
ENTRYPOINT ["penstock"]
