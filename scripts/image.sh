#!/usr/bin/env bash
# Makes the container image from a static binary by the last stage of deploy/Dockerfile, with buildah, and tries it: the shipped proxy.toml, a read-only
# file system, names, the health check, the end. Needs root. No registry is asked: what the first stage would bring is this machine's.
#
#   scripts/image.sh                target/image/evenkeel-VERSION.tar, for `docker load`, `podman load` or `skopeo copy`
#
# STATIC names the binary (default: the release build for musl, made when it is not there).
cd "$(dirname "$0")/.."
bound=900
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh package
the_static_binary
out=target/image
version=$(the_version)
image=localhost/evenkeel:$version

# ---------------------------------------------------------------- the image

builder() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# what the last stage copies from the first
first_stage() {
    local stage=$work/stage
    mkdir -p "$stage"/{empty,src,etc/ssl/certs}
    strip -o "$stage/evenkeel" "$static"
    cp proxy.toml "$stage/src"
    cp /etc/ssl/certs/ca-certificates.crt "$stage/etc/ssl/certs"
    # the two lines of it that write files
    sed -n "s#.*echo \('evenkeel:.*'\) >/\([a-z]*\).*#echo \1 >$stage/\2#p" deploy/Dockerfile | sh
    local container
    container=$(builder from scratch)
    builder copy "$container" "$stage" / >/dev/null
    builder commit --quiet "$container" localhost/first-stage >/dev/null
}

make_image() {
    first_stage
    sed -n '/^FROM scratch/,$p' deploy/Dockerfile | sed 's#--from=build#--from=localhost/first-stage#' >"$work/Dockerfile"
    mkdir "$work/context"
    builder build --quiet --format docker --timestamp "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" --tag "$image" --file "$work/Dockerfile" "$work/context" >/dev/null
    rm -rf "$out"
    mkdir -p "$out"
    builder push --quiet "$image" "docker-archive:$out/evenkeel-$version.tar:evenkeel:$version"
}

# ---------------------------------------------------------------- it is run, as a container runtime would

# a value of the image's configuration, one item a line
configured() { builder inspect --type image "$image" | python3 -c '
import json, sys
value = json.load(sys.stdin)["Docker"]["config"]
for key in sys.argv[1].split("."): value = value[key]
print(*(value if isinstance(value, list) else [value]), sep="\n")' "$1"; }

unpack() {
    local container
    container=$(builder from "$image")
    cp -a "$(builder mount "$container")" "$work/root"
    mkdir -p "$work/root"/{proc,dev}
    # a runtime mounts one
    printf '127.0.0.1 localhost app.test\n' >"$work/root/etc/hosts"
}

# the image's own command as its own user, with its own processes and network, and a file system that can't be written to but for state_dir
run_it() {
    local command user
    mapfile -t command < <(configured Entrypoint && configured Cmd)
    mapfile -t environment < <(configured Env)
    user=$(configured User)
    cat >"$work/inside.sh" <<'INSIDE'
set -e
root=$1 user=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o "uid=${user%:*},gid=${user#*:},mode=750" state "$root/var/lib/evenkeel"
mount -o remount,bind,ro "$root"
ip link set lo up
exec env -i "${ENVIRONMENT[@]}" chroot --userspec="$user" "$root" "$@"
INSIDE
    sed -i "s#\"\${ENVIRONMENT\[@\]}\"#${environment[*]@Q}#" "$work/inside.sh"
    start container unshare --mount --pid --net --fork --kill-child=TERM bash "$work/inside.sh" "$work/root" "$user" "${command[@]}"
    unshared=$!
    until_it 'the first process of the container' pgrep --parent "$unshared"
    first=$(pgrep --parent "$unshared")
}

inside() { nsenter --target "$first" --mount --pid --net chroot --userspec="$(configured User)" "$work/root" "$@"; }

beside() { nsenter --target "$first" --net "$@"; }

answers() { beside curl --fail --silent --show-error --max-time 5 "http://127.0.0.1:8080$1" | grep --quiet "$2"; }

small_and_static() {
    local needed
    needed=$(readelf --dynamic "$work/root/usr/bin/evenkeel" | grep NEEDED || true)
    [ -z "$needed" ]
    # no other program
    [ "$(find "$work/root" -type f -perm /111)" = "$work/root/usr/bin/evenkeel" ]
    [ "$(find "$work/root" -type f | wc -l)" = 6 ]
    du -sh "$work/root"
}

starts() {
    until_it 'the answer of the shipped proxy.toml' answers /evenkeel 'Evenkeel is here'
    [ "$(stat --format=%u "/proc/$first")" = 65532 ]
}

is_healthy() {
    local test
    mapfile -t test < <(configured Healthcheck.Test)
    [ "${test[0]}" = CMD ]
    inside "${test[@]:1}"
}

serves() { until_it 'an answer of a backend' answers / served; }

# what musl's resolver makes of the machine's files, and a reload
finds_names() {
    # the file system is read-only for the container alone
    sed -i 's#^address = "127.0.0.1:9001"#address = "app.test:9001"#' "$work/root/etc/evenkeel/proxy.toml"
    inside /usr/bin/evenkeel check -c /etc/evenkeel/proxy.toml
    kill -HUP "$first"
    until_it 'the reload' beside sh -c 'curl --silent http://127.0.0.1:9900/api/v1/status | grep --quiet app.test'
    serves
}

make_image
say "made $out/evenkeel-$version.tar, $(stat --format=%s "$out/evenkeel-$version.tar") bytes"
unpack
check 'the image holds one static program' small_and_static
run_it
start backends nsenter --target "$first" --net python3 scripts/package/backend.py "$work/answer"
check 'it starts with the shipped proxy.toml, read-only, as user 65532' starts
check 'its health check is well' is_healthy
check 'it serves' serves
check 'it is reloaded and finds names' finds_names
code=0
kill -TERM "$first"
wait "$unshared" || code=$?
echo "its exit code is $code" >"$work/out"
tell 'SIGTERM ends it with exit code 0' "$code"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
