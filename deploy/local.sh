#!/usr/bin/env bash
# Monitors the service that `make serve` runs, without containers: starts Prometheus with the alert rules, and
# Alertmanager if it is installed, on loopback. Ctrl-C stops both. Debian: apt install prometheus prometheus-alertmanager
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -gt 0 ]; then
  cat <<'TEXT'
make watch, or deploy/local.sh     monitor the service on 127.0.0.1:$PORT (default: 3000)
  PROMETHEUS_PORT, ALERTMANAGER_PORT   ports on loopback (defaults: 9090, 9093)
  KEY_FILE           file with an API key that may read metrics (default: the demo caller's, created by `make serve`)
  WATCH_STATE        folder for the time series (default: .state/watch)
  ALERT_WEBHOOK_URL  URL that Alertmanager sends alerts to (default: none; its page shows the alerts)
TEXT
  [ "$1" = --help ] && exit 0 || exit 2
fi

PORT=${PORT:-3000}
PROMETHEUS_PORT=${PROMETHEUS_PORT:-9090}
ALERTMANAGER_PORT=${ALERTMANAGER_PORT:-9093}
KEY_FILE=${KEY_FILE:-bentos/digits/state/keys/demo.api-key}
STATE=${WATCH_STATE:-.state/watch}
ALERT_WEBHOOK_URL=${ALERT_WEBHOOK_URL:-http://127.0.0.1:9/no-receiver}

say() { echo "$*" >&2; }
command -v prometheus >/dev/null || { say "prometheus is not installed: apt install prometheus, or https://prometheus.io/download"; exit 1; }
[ -s "$KEY_FILE" ] || { say "no API key in $KEY_FILE: run 'make serve' first, or set KEY_FILE to another file"; exit 1; }
# The key is passed by a file descriptor: on a command line every process of this machine could read it.
status=$(curl -s -o /dev/null -w '%{http_code}' -H @<(echo "Authorization: Bearer $(cat "$KEY_FILE")") "http://127.0.0.1:$PORT/metrics" || true)
case $status in
  200) ;;
  000) say "nothing answers on 127.0.0.1:$PORT: run 'make serve' in another terminal first"; exit 1 ;;
  *) say "http://127.0.0.1:$PORT/metrics answers $status: the API key in $KEY_FILE needs a role that may read metrics (operator)"; exit 1 ;;
esac
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
for port in "$PROMETHEUS_PORT" "$ALERTMANAGER_PORT"; do
  ! taken "$port" || { say "port $port is taken: set PROMETHEUS_PORT and ALERTMANAGER_PORT to other ports"; exit 1; }
done

umask 077
mkdir -p "$STATE/prometheus" "$STATE/alertmanager"
STATE=$(realpath "$STATE")
DEPLOY=$PWD/deploy
# The configuration files of compose.yaml, with loopback addresses instead of the services' names.
sed -e "s|/etc/prometheus/rules/|$PWD/helm/bento-governance/files/rules/|" \
  -e "s|/run/secrets/prometheus_api_key|$(realpath "$KEY_FILE")|" \
  -e "s|\[service:3000\]|['127.0.0.1:$PORT']|" \
  -e "s|\[localhost:9090\]|['127.0.0.1:$PROMETHEUS_PORT']|" \
  -e "s|\[alertmanager:9093\]|['127.0.0.1:$ALERTMANAGER_PORT']|" \
  "$DEPLOY/prometheus/prometheus.yml" >"$STATE/prometheus.yml"
sed -e "s|url_file: /run/secrets/alert_webhook_url|url: '$ALERT_WEBHOOK_URL'|" \
  -e "s|/etc/alertmanager/|$DEPLOY/alertmanager/|" "$DEPLOY/alertmanager/alertmanager.yml" >"$STATE/alertmanager.yml"

children=()
stop() {
  trap - EXIT INT TERM
  [ ${#children[@]} = 0 ] || kill "${children[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM

prometheus --config.file="$STATE/prometheus.yml" --storage.tsdb.path="$STATE/prometheus" --storage.tsdb.retention.time=7d \
  --web.listen-address="127.0.0.1:$PROMETHEUS_PORT" --web.external-url="http://127.0.0.1:$PROMETHEUS_PORT" \
  --web.user-assets="$DEPLOY/prometheus/pages" --enable-feature=exemplar-storage --log.level=warn &
children+=($!)
alertmanager=$(command -v prometheus-alertmanager || command -v alertmanager || true)
if [ -n "$alertmanager" ]; then
  "$alertmanager" --config.file="$STATE/alertmanager.yml" --storage.path="$STATE/alertmanager" --log.level=warn \
    --web.listen-address="127.0.0.1:$ALERTMANAGER_PORT" --web.external-url="http://127.0.0.1:$ALERTMANAGER_PORT" \
    --cluster.listen-address= &
  children+=($!)
fi

for _ in $(seq 100); do
  ! curl -fs -o /dev/null "http://127.0.0.1:$PROMETHEUS_PORT/-/ready" || break
  kill -0 "${children[0]}" 2>/dev/null || { say "prometheus stopped: see its messages above"; exit 1; }
  sleep 0.2
done
# Debian's Prometheus has only the classic pages.
pages=http://127.0.0.1:$PROMETHEUS_PORT
! curl -fs -o /dev/null "$pages/classic/targets" || pages=$pages/classic
cat <<TEXT

Prometheus scrapes http://127.0.0.1:$PORT:

  targets       $pages/targets   (the first scrape takes up to 15 seconds)
  alerts        $pages/alerts
  runbook       http://127.0.0.1:$PROMETHEUS_PORT/user/RUNBOOK.html
  traffic       $pages/graph?g0.expr=sum%20by%20(outcome)%20(rate(governance_requests_total%5B1m%5D))&g0.tab=0
TEXT
[ -z "$alertmanager" ] || echo "  Alertmanager  http://127.0.0.1:$ALERTMANAGER_PORT"
echo
echo "Make an alert fire: bento-governance stop digits-cnn --reason \"a drill\" --settings bentos/digits/governance.toml"
wait -n "${children[@]}"
