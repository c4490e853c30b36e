#!/bin/sh
# Makes the three locks from pyproject.toml. `deploy/lock.sh --upgrade` takes newer releases.
# Locks hold hashes and no addresses, so any index or mirror will do.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
lock() {
  out=$1 command=$2; shift 2
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "$command" pyproject.toml -o "$out" "$@"
}
lock requirements.lock deploy/lock.sh "$@"
# The other two hold the same versions and something more.
lock requirements-dev.lock deploy/lock.sh --group dev --constraint requirements.lock "$@"
lock requirements-extras.lock deploy/lock.sh \
  --all-extras --constraint requirements.lock "$@"
