#!/usr/bin/env bash
# What the scripts beside this one need, from Debian's packages; does nothing when it is all there. `chromium` as an argument: a browser, too; `package`: what packs
# and tries packages and images.
set -euo pipefail
missing=()
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need curl curl
need wrk wrk
need h2load nghttp2-client
need openssl openssl
need python3 python3
[ -x /usr/sbin/haproxy ] || need haproxy haproxy
[ -x /usr/sbin/nginx ] || need nginx nginx-light
need redis-server redis-server
need redis-cli redis-tools
need etcd etcd-server
[ -x /usr/sbin/dnsmasq ] || need dnsmasq dnsmasq-base
need dig bind9-dnsutils
need dnsperf dnsperf
need iperf3 iperf3
[ -x /usr/sbin/ip ] || need ip iproute2
[ -x /usr/sbin/keepalived ] || need keepalived keepalived
[ -x /usr/sbin/nft ] || need nft nftables
# only where it is asked for: it is large
[ "${1:-}" != chromium ] || [ -n "${CHROMIUM:-}" ] || need chromium chromium
if [ "${1:-}" = package ]; then
    need dh debhelper
    need dpkg-buildpackage dpkg-dev
    need lintian lintian
    need mmdebstrap mmdebstrap
    need systemd-nspawn systemd-container
    need buildah buildah
    need musl-gcc musl-tools
fi
[ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || missing+=(postgresql)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
