#!/usr/bin/env bash
# Makes all that deploy/compose.yaml needs, once: trained and sealed models, keys, two callers, secrets as files, .env.
# What is already there stays as it is. Everything lies below deploy/state, and belongs to whoever runs this.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/prepare.sh            make what is missing below deploy/state, and deploy/.env
  ALERT_WEBHOOK_URL=https://…  where Alertmanager tells of alerts (a secret; it is written to a file)
  OWNER=UID:GID              who owns all of it and whom the containers run as; root has to name one
  BIN=.venv/bin              the environment's bin folder (`make env` makes it)
  DEPLOY_STATE=deploy/state  where to put it; compose.yaml looks for it there
TEXT
}
[ $# -eq 0 ] || { usage && [ "$1" = --help ] && exit 0; exit 2; }

BIN=${BIN:-.venv/bin}
STATE=${DEPLOY_STATE:-deploy/state}
ENV_FILE=${ENV_FILE:-deploy/.env}
SETTINGS=bentos/digits/governance.toml
[ -x "$BIN/bento-governance" ] || { echo "there is no $BIN/bento-governance: run 'make env' first" >&2; exit 1; }
# The containers run as whoever owns these files, and never as root.
OWNER=${OWNER:-$(id -u):$(id -g)}
[[ $OWNER =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || {
  echo "run this as an ordinary user, or as root with OWNER=UID:GID of one, such as OWNER=10001:10001" >&2
  exit 1
}

umask 077
mkdir -p "$STATE"/{service,trusted,control,audit,drift,secrets,prometheus,alertmanager,grafana}
STATE=$(realpath "$STATE")
KEYS=$STATE/service/keys
BIN=$BIN STATE=$STATE/service bash bentos/digits/prepare.sh
cp "$KEYS/signing.key.pub" "$KEYS/stop.key.pub" "$STATE/trusted/"

# What the command line needs to act on this service: `. deploy/state/environment`, then `bento-governance stop …`.
cat >"$STATE/environment" <<TEXT
export GOVERNANCE_STOP__FILE="$STATE/control/stop.json"
export GOVERNANCE_STOP__TRUSTED_KEYS='["$STATE/trusted/stop.key.pub"]'
export GOVERNANCE_STOP__SIGN_WITH="file:$KEYS/stop.key"
export GOVERNANCE_IDENTITY__API_KEYS="$STATE/control/api-keys.json"
export GOVERNANCE_IDENTITY__HASH_KEY="file:$KEYS/api-key-hash.key"
export SETTINGS="$PWD/$SETTINGS"
TEXT
# shellcheck disable=SC1091
. "$STATE/environment"

[ -e "$STATE/control/stop.json" ] || "$BIN/bento-governance" resume ALL --reason "first start" --settings "$SETTINGS"

# An API key is printed once; its file is written whole, or not at all.
api_key() {
  local caller=$1 file=$2
  shift 2
  [ -s "$file" ] && return
  "$BIN/bento-governance" api-key create "$caller" "$@" --json --settings "$SETTINGS" |
    "$BIN/python" -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)["token"])' >"$file.new"
  mv "$file.new" "$file"
}
api_key prometheus "$STATE/secrets/prometheus_api_key" --role operator
api_key demo "$STATE/secrets/demo_api_key" --role classifier

random() { "$BIN/python" -c 'import secrets; print(secrets.token_urlsafe(32), end="")'; }
[ -s "$STATE/secrets/redis_password" ] || random >"$STATE/secrets/redis_password"
[ -s "$STATE/secrets/grafana_admin_password" ] || random >"$STATE/secrets/grafana_admin_password"
cat >"$STATE/secrets/redis_configuration" <<TEXT
requirepass $(cat "$STATE/secrets/redis_password")
# Counters alone: nothing is written, and what is oldest goes first.
save ""
appendonly no
maxmemory 128mb
maxmemory-policy volatile-ttl
dir /data
TEXT
# Nobody is told as long as no webhook is named; alerts stand on Alertmanager's page.
if [ -n "${ALERT_WEBHOOK_URL:-}" ] || [ ! -s "$STATE/secrets/alert_webhook_url" ]; then
  printf %s "${ALERT_WEBHOOK_URL:-http://127.0.0.1:9/nobody-is-told}" >"$STATE/secrets/alert_webhook_url"
fi

# Who the containers run as. Lines that are there already, such as pinned images, stay.
touch "$ENV_FILE"
grep -q '^GOVERNANCE_UID=' "$ENV_FILE" || printf 'GOVERNANCE_UID=%s\nGOVERNANCE_GID=%s\n' "${OWNER%:*}" "${OWNER#*:}" >>"$ENV_FILE"
[ "$(id -u)" != 0 ] || chown -R "$OWNER" "$STATE"

cat <<TEXT

Ready. Start all of it, and call it:

  docker compose --file deploy/compose.yaml up --build --wait
  curl -s -H "Authorization: Bearer \$(cat $STATE/secrets/demo_api_key)" -F image=@$STATE/service/digit.png http://127.0.0.1:3000/classify

  http://127.0.0.1:3030   Grafana, as admin, password in $STATE/secrets/grafana_admin_password
  http://127.0.0.1:9090   Prometheus          http://127.0.0.1:9093   Alertmanager

TEXT
[ "$(cat "$STATE/secrets/alert_webhook_url")" != http://127.0.0.1:9/nobody-is-told ] ||
  echo "Nobody is told of alerts yet: run ALERT_WEBHOOK_URL=https://… deploy/prepare.sh, and restart alertmanager."
