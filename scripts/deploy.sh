#!/usr/bin/env bash
# Checks the files in deploy/ with the checkers of those who read them: hadolint, Kubernetes' and Compose's own schemas, promtool, systemd-analyze, and
# `evenkeel check` for the configuration in the ConfigMap. None of them starts anything.
cd "$(dirname "$0")/.."
bound=300
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

the_binary
the_python
the_promtool

# the configuration of the ConfigMap, with its secrets beside it, and an address of its own in place of the cluster's names
config_map() {
    mkdir -p "$work/admin"
    printf 'a-token-of-sixteen-and-more\n' >"$work/admin/admin"
    printf 'another-token-of-sixteen-and-more\n' >"$work/admin/prometheus"
    "$python" - "$work" <<'EOF'
import sys, yaml
work = sys.argv[1]
text = yaml.safe_load(open("deploy/kubernetes/configmap.yaml"))["data"]["proxy.toml"]
open(f"{work}/proxy.toml", "w").write(text.replace("/etc/evenkeel-admin", f"{work}/admin"))
EOF
    "$evenkeel" check -c "$work/proxy.toml"
}

# names that one file uses and another defines
names_agree() {
    "$python" - <<'EOF'
import pathlib, yaml
folder = pathlib.Path("deploy/kubernetes")
kinds = {doc["kind"]: doc for doc in (yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml")))}
listed = set(kinds["Kustomization"]["resources"])
there = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
assert listed == there, f"kustomization.yaml lists {sorted(listed)}, the folder has {sorted(there)}"
pod = kinds["Deployment"]["spec"]["template"]
labels = pod["metadata"]["labels"]
for kind, selector in [
    ("Deployment", kinds["Deployment"]["spec"]["selector"]["matchLabels"]),
    ("Service", kinds["Service"]["spec"]["selector"]),
    ("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
    ("NetworkPolicy", kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]),
]:
    assert selector.items() <= labels.items(), f"{kind} selects {selector}, the pods have {labels}"
container = pod["spec"]["containers"][0]
ports = {port["name"] for port in container["ports"]}
used = {port["targetPort"] for port in kinds["Service"]["spec"]["ports"]}
used |= {port["port"] for rule in kinds["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
used |= {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
assert used == ports, f"ports {used} are used, {ports} are named"
assert pod["spec"]["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]
volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
assert volumes["config"]["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
# a pod that is told to go has to have the time for its pause and its drain
pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
assert pod["spec"]["terminationGracePeriodSeconds"] > pause + 30, "the grace period is too short for preStop and drain_timeout"
EOF
}

# the tag of the image is the version in Cargo.toml
image_is_ours() { grep --quiet "image: registry.example.com/evenkeel:$(the_version)\$" deploy/kubernetes/deployment.yaml; }

# the files that the composition mounts are there
mounts_exist() {
    "$python" - <<'EOF'
import pathlib, yaml
for name, service in yaml.safe_load(open("deploy/compose.yml"))["services"].items():
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert not source.startswith(".") or (pathlib.Path("deploy") / source).exists(), f"{name} mounts {source}, which is not there"
EOF
}

# the pair of keepalived is what the binary prints for it today
keepalived_pair() {
    local machine source peer
    for machine in a b; do
        [ "$machine" = a ] && source=10.0.0.2 peer=10.0.0.3 || source=10.0.0.3 peer=10.0.0.2
        "$evenkeel" keepalived --vip 10.0.0.9/24 --peer "$peer" --interface eth0 --source "$source" -c deploy/keepalived/proxy.toml |
            sed -E 's#script "[^ ]*/evenkeel[^ ]* ready (.*) -c .*"#script "/usr/local/bin/evenkeel ready \1 -c /etc/evenkeel/proxy.toml"#' |
            diff - "deploy/keepalived/$machine.conf"
    done
}

# kustomization.yaml is for kubectl; the cluster never sees it
manifests=$(find deploy/kubernetes -name '*.yaml' ! -name kustomization.yaml | sort)

check 'hadolint: Dockerfile' "$venv/bin/hadolint" --failure-threshold info deploy/Dockerfile
# shellcheck disable=SC2086
check 'Kubernetes: the manifests fit its schemas, strictly' "$venv/bin/kubernetes-validate" --strict $manifests
check 'Kubernetes: names, ports and times agree between the files' names_agree
check 'Kubernetes: the image is that of this version' image_is_ours
check 'Kubernetes: the configuration in the ConfigMap can be used' config_map
check 'Compose: the file fits its schema' "$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yml
check 'Compose: what is mounted is there' mounts_exist
if docker compose version >/dev/null 2>&1; then
    check 'Compose: docker reads it' docker compose -f deploy/compose.yml config --quiet
fi
check 'keepalived: the pair is what evenkeel keepalived prints' keepalived_pair
check 'promtool: prometheus.yml, with its rules' "$promtool" check config deploy/prometheus.yml
check 'evenkeel: the proxy.toml that is shipped can be used' "$evenkeel" check -c proxy.toml
if command -v systemd-analyze >/dev/null; then
    # 10 times the exposure that it prints: 1.8 as it is shipped
    check 'systemd: exposure of 2.0 at most' systemd-analyze security --offline=true --no-pager --threshold=20 deploy/evenkeel.service
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
