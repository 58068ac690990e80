#!/usr/bin/env bash
# The rules of the house, read off the tree: format, layering, no left-overs. Prints every breach; exit 1 if there is any.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
breaches=0
breach() { printf '%s\n' "$*"; breaches=$((breaches + 1)); }

# --- who may include whom: one line per layer, the folders below src/ that it may name in an #include "…" ---------------
declare -A MAY=(
  [base]="base" [trace]="trace base" [metrics]="metrics base" [http]="http base" [pg]="pg base"
  [runtime/core]="runtime/core base" [runtime/store]="runtime/store runtime/core pg base"
  [runtime/host]="runtime/host runtime/store runtime/core pg metrics trace base"
  [runtime/schedule]="runtime/schedule runtime/host/activity_context runtime/host/client runtime/core base"
  [ha]="ha base" [kube]="kube http ha base embedded" [cms]="cms pg base embedded"
  [activities]="activities runtime/host/activity_context runtime/host/client runtime/schedule cms kube pg ha metrics base"
  [orchestrations]="orchestrations runtime/core runtime/schedule ha base activities"
  [api]="api http runtime/host/client runtime/host/correlation runtime/store/records runtime/schedule cms orchestrations kube ha pg metrics trace base embedded"
  [cli]="cli http base"
  [agent]="agent kube http ha base" [localkube]="localkube kube http base"
)
while IFS=: read -r file _ include; do
  layer=${file#src/}; layer=${layer%/*}
  [[ $layer == app* ]] && continue
  while [[ -n $layer && -z ${MAY[$layer]:-} && $layer == */* ]]; do layer=${layer%/*}; done
  [[ -n ${MAY[$layer]:-} ]] || { breach "$file: no layer is known for src/$layer"; continue; }
  target=$(sed -E 's/.*#include "([^"]+)".*/\1/' <<<"$include")
  ok=
  for allowed in ${MAY[$layer]}; do [[ $target == "$allowed"/* || $target == "$allowed".hpp || $target == "$allowed"_*.hpp ]] && ok=1; done
  [[ -n $ok ]] || breach "$file includes $target: src/$layer may include ${MAY[$layer]}"
done < <(grep -rnE '^#include "' src --include='*.hpp' --include='*.cpp')

# Orchestrations do no I/O: what they see of an activity is its name, Input and Output.
while read -r hit; do breach "$hit: orchestrations do no I/O"; done < <(grep -rnE 'boost/asio|co_await .*asio::|libpq|pqxx' src/orchestrations src/runtime/core || true)

# A migration that takes away says so in its name: docs/decisions/0065. Those before that decision may not be touched. What
# a function of its does later is not what it does itself.
for file in migrations/*.sql; do
  name=${file##*/}
  [[ ${name:0:4} > 0015 && $name != ????_contract_* ]] || continue
  ! grep -v 'EXECUTE format(' "$file" | grep -qE '\b(DROP (TABLE|COLUMN)|RENAME (TO|COLUMN)|SET NOT NULL)\b' || breach "$file takes away, and is not named NNNN_contract_noun.sql"
done

# --- left-overs -------------------------------------------------------------------------------------------------------
while read -r hit; do breach "$hit"; done < <(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src tests bench migrations templates deploy 2>/dev/null --exclude=check.sh || true)
while read -r file; do head -3 "$file" | grep -q '^//' || breach "$file: the purpose belongs at the top of a header"; done \
  < <(find src -name '*.hpp')

# --- format -----------------------------------------------------------------------------------------------------------
mapfile -t sources < <(find src tests bench -name '*.hpp' -o -name '*.cpp')
if ! clang-format-19 --dry-run -Werror "${sources[@]}" 2>/tmp/toygres-format.$$; then
  while read -r line; do breach "$line"; done < <(grep -oE '^[^:]+\.(hpp|cpp)' /tmp/toygres-format.$$ | sort -u | sed 's/$/: not formatted; run .\/dev format/')
fi
rm -f /tmp/toygres-format.$$

((breaches == 0)) && echo "house rules: all kept (${#sources[@]} files)" || { echo "house rules: $breaches breaches"; exit 1; }
