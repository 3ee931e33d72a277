"""The Dockerfile of a connector."""

from __future__ import annotations

import json

from headwater.image.connector import Connector

IGNORED = "*\n!wheels\n"
"""The content of .dockerignore: nothing but wheels gets into a build, no credential that lies about."""

_TEMPLATE = """\
# The image of {program}, by `headwater image dockerfile`. Its packages come from wheels/, which is filled outside (pip
# wheel): so the build needs no network, and neither an index's credentials nor a compiler get in.
ARG BASE_IMAGE=python:3.11-slim

FROM ${{BASE_IMAGE}} AS installed
COPY wheels/ /wheels/
RUN python3 -m venv --without-pip /opt/connector \\
 && python3 -m pip --python /opt/connector/bin/python install --quiet --no-index --find-links /wheels --no-cache-dir \\
    --no-compile --disable-pip-version-check --root-user-action=ignore {distribution} \\
 && /opt/connector/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/connector/lib

FROM ${{BASE_IMAGE}}
# Python's own modules are compiled where the base image left that out: it would be done anew at every start.
RUN python3 -B -c 'import argparse as a, importlib.util as u, os, sys; \\
sys.exit(not os.path.exists(u.cache_from_source(a.__file__)))' \\
 || python3 -m compileall -q -x '/(test|tests|idlelib|lib2to3|ensurepip|turtledemo|site-packages|dist-packages)/' \\
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
RUN grep -q '^airbyte:' /etc/passwd \\
 || {{ echo 'airbyte:x:1000:' >>/etc/group; echo 'airbyte:x:1000:1000::/airbyte:/bin/sh' >>/etc/passwd; }}; \\
 mkdir -p /airbyte && chown airbyte:airbyte /airbyte && chmod 1777 /airbyte \\
 && printf '#!/bin/sh\\nexec /opt/connector/bin/{program} "$@"\\n' >/entrypoint.sh && chmod 755 /entrypoint.sh
COPY --from=installed /opt/connector /opt/connector
ENV AIRBYTE_ENTRYPOINT=/entrypoint.sh PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1
# Pages of some hundred kilobytes come and go: glibc keeps their memory instead of giving it back each time.
ENV MALLOC_TRIM_THRESHOLD_=16777216 MALLOC_MMAP_THRESHOLD_=8388608
WORKDIR /airbyte
USER airbyte
ENTRYPOINT ["/entrypoint.sh"]
LABEL {labels}
"""


def dockerfile(connector: Connector) -> str:
    """Its content: two stages, with the base image as an argument; for any builder, the old one too."""
    labels = " \\\n      ".join(f"{name}={_quoted(value)}" for name, value in connector.labels.items())
    return _TEMPLATE.format(program=connector.program, distribution=connector.distribution, labels=labels)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")
