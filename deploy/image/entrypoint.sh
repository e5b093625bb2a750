#!/bin/sh
# Serves the bento as process 1, so that SIGTERM reaches it; it completes the requests in flight, then exits.
set -eu
if [ $# -gt 0 ]; then
  exec "$@"
fi
service=$(sed -n 's/^service: *"\(.*\)" *$/\1/p' "/app/bentos/$BENTO/bentofile.yaml")
exec bentoml serve "$service" --host "${HOST:-0.0.0.0}" --port "${PORT:-3000}" \
  --timeout-graceful-shutdown "${DRAIN_SECONDS:-30}"
