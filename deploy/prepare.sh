#!/usr/bin/env bash
# Creates what deploy/compose.yaml needs: trained and sealed models, keys, two callers, secrets as files, and .env.
# Existing files are kept. Everything is in deploy/state and is owned by the user who runs this.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/prepare.sh            create what is missing in deploy/state, and deploy/.env
  ALERT_WEBHOOK_URL=https://…  URL that Alertmanager sends alerts to (a secret; it is written to a file)
  OWNER=UID:GID              owner of the files and user of the containers; required if root runs this
  BIN=.venv/bin              bin folder of the environment (created by `make env`)
  DEPLOY_STATE=deploy/state  folder for the files; compose.yaml expects the default
TEXT
}
[ $# -eq 0 ] || { usage && [ "$1" = --help ] && exit 0; exit 2; }

BIN=${BIN:-.venv/bin}
STATE=${DEPLOY_STATE:-deploy/state}
ENV_FILE=${ENV_FILE:-deploy/.env}
SETTINGS=bentos/digits/governance.toml
[ -x "$BIN/bento-governance" ] || { echo "$BIN/bento-governance does not exist: run 'make env' first" >&2; exit 1; }
# The containers run as the owner of these files, never as root.
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

# Settings for commands that act on this service: `. deploy/state/environment`, then `bento-governance stop …`.
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

# An API key is printed only once, so its file is written completely or not at all.
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
# Only counters: nothing is persisted, and the keys that expire first are evicted first.
save ""
appendonly no
maxmemory 128mb
maxmemory-policy volatile-ttl
dir /data
TEXT
# Without a webhook, alerts are shown only on Alertmanager's page: nothing listens at this address.
if [ -n "${ALERT_WEBHOOK_URL:-}" ] || [ ! -s "$STATE/secrets/alert_webhook_url" ]; then
  printf %s "${ALERT_WEBHOOK_URL:-http://127.0.0.1:9/no-receiver}" >"$STATE/secrets/alert_webhook_url"
fi

# The containers' user. Existing lines, such as pinned images, are kept.
touch "$ENV_FILE"
grep -q '^GOVERNANCE_UID=' "$ENV_FILE" || printf 'GOVERNANCE_UID=%s\nGOVERNANCE_GID=%s\n' "${OWNER%:*}" "${OWNER#*:}" >>"$ENV_FILE"
[ "$(id -u)" != 0 ] || chown -R "$OWNER" "$STATE"

cat <<TEXT

Ready. Start the containers, and call the service:

  docker compose --file deploy/compose.yaml up --build --wait
  curl -s -H "Authorization: Bearer \$(cat $STATE/secrets/demo_api_key)" -F image=@$STATE/service/digit.png http://127.0.0.1:3000/classify

  http://127.0.0.1:3030   Grafana, as admin, password in $STATE/secrets/grafana_admin_password
  http://127.0.0.1:9090   Prometheus          http://127.0.0.1:9093   Alertmanager

TEXT
[ "$(cat "$STATE/secrets/alert_webhook_url")" != http://127.0.0.1:9/no-receiver ] ||
  echo "Alertmanager sends no notifications yet: run ALERT_WEBHOOK_URL=https://… deploy/prepare.sh, and restart the container alertmanager."
