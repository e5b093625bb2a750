#!/usr/bin/env bash
# Serves the digits service on 127.0.0.1:PORT and prints a curl command when the service is ready.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:-.venv/bin}
PORT=${PORT:-3000}
STATE=bentos/digits/state

if [ "${RUNTIME:-cpu}" = gpu ]; then
  export GOVERNANCE_RUNTIME__PROVIDERS='["cuda","cpu"]' GOVERNANCE_RUNTIME__REQUIRE_DEVICE=cuda
fi
export BENTOML_HOME=${BENTOML_HOME:-$PWD/.state/bentoml} BENTOML_DO_NOT_TRACK=True

if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
  echo "Port $PORT is in use: choose another one, for example make serve PORT=3001" >&2
  exit 1
fi

print_call() {
  for _ in $(seq 300); do
    if curl -fs -o /dev/null "http://127.0.0.1:$PORT/readyz" 2>/dev/null; then
      key=$(cat "$STATE/keys/demo.api-key")
      cat <<TEXT

The digits service is ready. Copy this command (it sends an image of a handwritten digit):

  curl -s -H 'Authorization: Bearer $key' \\
    -F image=@$STATE/digit.png 'http://127.0.0.1:$PORT/classify?model=digits-cnn'

The same key works for http://127.0.0.1:$PORT/v2/models/digits-cnn and http://127.0.0.1:$PORT/metrics.
Status page, with the same key: http://127.0.0.1:$PORT/governance/
Stop with Ctrl-C; then verify the audit log:

  $BIN/bento-governance audit verify $STATE/audit --key $STATE/keys/checkpoint.key.pub

TEXT
      return
    fi
    kill -0 $$ 2>/dev/null || return
    sleep 0.2
  done
}
print_call &

exec "$BIN/bentoml" serve bentos.digits.service:Digits --host 127.0.0.1 --port "$PORT"
