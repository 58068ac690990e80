#!/usr/bin/env bash
# The main job, shown on real PostgreSQL: two instances, the server killed half-way, nothing lost, nothing left.
set -euo pipefail
build=$1
STATE=$(mktemp -d "${TMPDIR:-/tmp}/toygres-demo.XXXXXX")
chmod 755 "$STATE"
export TOYGRES_STATE_DIR=$STATE KUBECONFIG=$STATE/cluster/kubeconfig PATH=$build:$PATH
began=$SECONDS

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then head=$'\033[1;36m' end=$'\033[0m'; else head= end=; fi
step() { printf '\n%s== %s%s\n' "$head" "$*" "$end"; }
run() { printf '$ %s\n' "$*"; "$@"; }
sql() { psql -X -q -h "$STATE/cms" -U toygres -d postgres -c 'SET search_path = toygres_cms' "$@"; }
value() { sql -At -c "$1"; }
server_pid() { jq -r .pid "$STATE/server.pid"; }
cleanup() {
  status=$?
  if [[ -d $STATE ]]; then
    ((status == 0)) || { echo "-- the demo failed; the end of the server's log:"; tail -n 15 "$STATE/server.log" 2>/dev/null || true; }
    toygres down --purge >/dev/null 2>&1 || true
    rm -rf "$STATE"
  fi
  exit $status
}
trap cleanup EXIT

step "An embedded CMS, an embedded Kubernetes and the server, in one go"
run toygres up

step "A PostgreSQL instance from one call"
run toygres create mydb --wait
run toygres list

step "psql, through the Service, over TLS, with the password from the Secret"
run toygres connect mydb -- -c "CREATE TABLE note (id int PRIMARY KEY, text text)" \
  -c "INSERT INTO note SELECT n, 'row ' || n FROM generate_series(1, 1000) n" \
  -c "SELECT count(*), max(text), current_setting('server_version') AS version FROM note"

if command -v kubectl >/dev/null; then
  step "What Kubernetes runs"
  run kubectl get statefulsets,pods,services,persistentvolumeclaims,secrets -l app.kubernetes.io/managed-by=toygres
fi

step "A second instance, and the server killed with SIGKILL half-way"
run toygres create second
second=$(value "SELECT k8s_name FROM instances WHERE user_name = 'second'")
until [[ $(value "SELECT count(*) FROM orchestration_events WHERE orchestration = 'create-$second' AND kind = 'activity_completed'") -ge 2 ]]; do :; done
pid=$(server_pid)
run kill -9 "$pid"
printf 'recorded when it died:\n'
sql -c "SELECT event, kind, name FROM orchestration_events WHERE orchestration = 'create-$second' ORDER BY event"
printf 'It is started again, and the creation goes on by itself:\n'
run toygres up
until [[ $(value "SELECT state FROM instances WHERE user_name = 'second'") == running ]]; do
  [[ $(value "SELECT state FROM instances WHERE user_name = 'second'") != failed ]] || { echo "the creation failed"; exit 1; }
  sleep 0.2
done
run toygres list
printf 'Each step recorded exactly once, and CMS, cluster and history agree (no row is good):\n'
sql -c "SELECT kind, name, count(*) FROM orchestration_events WHERE orchestration = 'create-$second' AND answers IS NULL AND name IS NOT NULL GROUP BY kind, name ORDER BY min(event)"
sql -c "SELECT * FROM v_invariants"
[[ -z $(value "SELECT * FROM v_invariants") ]]
run toygres connect mydb -- -At -c "SELECT 'rows still there: ' || count(*) FROM note"

step "Both deleted"
run toygres delete mydb --yes --wait
run toygres delete second --yes --wait

step "Nothing is left in the cluster, on disk or running"
for kind in statefulsets pods services persistentvolumeclaims secrets configmaps; do
  left=$(curl -s --cacert "$STATE/cluster/ca.crt" -H "Authorization: Bearer $(cat "$STATE/cluster/admin.token")" \
    "https://127.0.0.1:$(cat "$STATE/cluster/port")$(case $kind in statefulsets) echo /apis/apps/v1 ;; *) echo /api/v1 ;; esac)/namespaces/toygres/$kind?labelSelector=app.kubernetes.io/managed-by%3Dtoygres" |
    jq '.items | length')
  printf '%-24s %s\n' "$kind" "$left"
  [[ $left == 0 ]]
done
# The files of a volume that is gone are removed in the background.
count_disks() { find "$STATE/cluster/volumes" -mindepth 2 -maxdepth 2 2>/dev/null | wc -l; }
limit=$((SECONDS + 10))
until [[ $(count_disks) == 0 ]] || ((SECONDS > limit)); do sleep 0.1; done
disks=$(count_disks)
printf '%-24s %s\n' "volumes on disk" "$disks"
[[ $disks == 0 ]]
processes=$(pgrep -fc "$STATE/cluster/pods" || true)  # each container has a supervisor, named after it
printf '%-24s %s\n' "database processes" "$processes"
[[ $processes == 0 ]]

step "The audit trail still tells all"
sql -c "SELECT to_char(at, 'HH24:MI:SS.MS') AS at, user_name, what, change, left(coalesce(message, ''), 60) AS message, actor FROM v_timeline"

step "And everything stops"
run toygres down --purge
[[ ! -e $STATE ]]
printf '\nDone in %s s.\n' $((SECONDS - began))
