#!/usr/bin/env bash
# Renders deploy/k8s/manifests from the Helm chart, a file for each of deploy/k8s/examples, and gives
# the chart the dashboard of deploy/compose, as a chart can read no file beside it.
# Usage: scripts/k8s/render.sh    (after scripts/setup/setup.sh helm)
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy/k8s"
python3 -m json.tool --compact --no-ensure-ascii ../compose/grafana/dashboards/quadrate.json quadrate/files/dashboard.json
for values in examples/*.yaml; do
  name=$(basename "$values")
  {
    printf '# The chart with examples/%s, for those without Helm: kubectl create namespace quadrate\n' "$name"
    printf '# kubectl apply -n quadrate -f %s\n' "$name"
    printf '# Do not edit: scripts/k8s/render.sh makes it.\n'
    ../../var/tools/helm template quadrate quadrate --namespace quadrate --kube-version 1.37.0 --values "$values"
  } >"manifests/$name"
done
