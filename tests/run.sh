#!/bin/sh
# Installs what the tests need into .venv and runs them all; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
# the system's packages while pip installs
{ sh tests/install-rtsp-server.sh && sh tests/install-chromium.sh && sh tests/install-mosquitto.sh; } &
system_packages=$!
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet -e '.[test]'
wait "$system_packages"
unset PYTHONDONTWRITEBYTECODE  # commands that tests start would compile every module again
# five at a time, whatever the cores: much of the time tests wait for cameras, servers and clocks
exec .venv/bin/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder "$@"
