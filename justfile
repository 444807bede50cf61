# What .ci/run runs, each step on its own too. `just` alone lists them.

default:
    @just --list

# everything that must pass
ci: fmt lint test page-build demo real-clients real-backends real-protocols proxy-protocol-peers differential alerts deploy-files ledger redundancy-short

# the code is formatted
fmt:
    cargo fmt --check

# no warning of the compiler or of clippy
lint:
    cargo clippy --locked --all-targets -- -D warnings

# unit tests, and black-box tests through the real binary
test:
    cargo test --locked

# `evenkeel demo`, asked with curl
demo:
    scripts/demo.sh

# curl, wrk, h2load, a WebSocket and a gRPC client through the real binary
real-clients:
    scripts/real-clients.sh

# nginx, grpcio, Envoy, Caddy and Node as HTTP/2 backends of the real binary
real-backends:
    scripts/real-backends.sh

# Redis, PostgreSQL, HTTPS by name and DNS, with their own clients, through Layer 4 of the real binary
real-protocols:
    scripts/real-protocols.sh

# configurations of nginx and HAProxy, converted: the same answers as behind the originals
convert *ARGUMENTS:
    cargo build --locked
    scripts/convert.py {{ARGUMENTS}}

# HAProxy as a peer on either side of PROXY headers
proxy-protocol-peers:
    scripts/proxy-protocol-peers.sh

# the alerts, with Prometheus' own checker
alerts:
    scripts/alerts.sh

# traces to a collector that is none of ours; the collector is killed under load
otlp:
    scripts/otlp.sh

# a real Prometheus scrapes the real binary under load, and what was counted is compared with what was served (about 3 minutes)
metrics *ARGUMENTS:
    scripts/metrics.sh {{ARGUMENTS}}

# the files of deploy/, with the checkers of those who read them
deploy-files:
    scripts/deploy.sh

# llhttp and h11: what either refuses of HTTP/1 requests, Evenkeel refuses
differential:
    scripts/differential.sh

# every situation of the fault suite at full length, as a table (about 3 minutes)
resilience:
    scripts/resilience.sh

# three times what backends can do, with an adaptive limit, without, and before Envoy (about 3 minutes)
overload *ARGUMENTS:
    python3 scripts/overload.py {{ARGUMENTS}}

# bad canaries and a good one, under load (about 3 minutes)
canary *ARGUMENTS:
    python3 scripts/canary.py {{ARGUMENTS}}

# compression beside nginx': bytes, processor time, and what others on the worker notice (about a minute)
compress *ARGUMENTS:
    python3 scripts/compress.py {{ARGUMENTS}}

# rate limits with a real Redis, beside nginx and HAProxy, and what they cost (about 5 minutes)
limits *ARGUMENTS:
    python3 scripts/limits.py {{ARGUMENTS}}

# who notices a bad backend, and who accuses a good one, beside other proxies, as a table (about 23 minutes for each proxy)
detection *ARGUMENTS:
    scripts/detection.sh {{ARGUMENTS}}

# backends are killed, hang, leak and are overloaded, and the binary repairs them (about 2 minutes)
recovery *SITUATIONS:
    scripts/recovery.sh {{SITUATIONS}}

# the process is killed in the middle of recoveries, in every phase (about half an hour)
recovery-kills *ARGUMENTS:
    cargo build --release --locked
    python3 scripts/recovery/kills.py target/release/evenkeel {{ARGUMENTS}}

# what a hook that prints 1 GB and hangs costs those who are served (about 2 minutes)
recovery-p99 *ARGUMENTS:
    cargo build --release --locked
    python3 scripts/recovery/p99.py target/release/evenkeel {{ARGUMENTS}}

# two of everything: keepalived, etcd, Redis and a bucket, for real, killed, hung and cut off under load (`redundancy --full` takes hours, `redundancy SCENE` plays one)
redundancy *ARGUMENTS:
    scripts/redundancy.sh {{ARGUMENTS}}

# the same in less than four minutes: times are told, what was lost counts; without network namespaces what needs none
redundancy-short:
    scripts/redundancy.sh --short

# the page is built from its sources and compared with what is checked in
page-build:
    scripts/page.sh build

# the same, and it is tried in Chromium, also in front of the real binary (about 6 minutes)
page:
    scripts/page.sh

# advisories, licences, bans (needs cargo-deny)
deny:
    cargo deny check

# crashes again and again under load: nothing older than the RPO is lost, nothing is counted twice
ledger:
    scripts/ledger.sh

# the Debian package, in target/debian, looked at by lintian
package:
    scripts/package.sh

# the same, tried in a fresh Debian under its own systemd: installed, reloaded, upgraded, purged (as root; about 3 minutes)
package-test:
    scripts/package.sh test

# the container image from scratch, in target/image, and it is tried (as root)
image:
    scripts/image.sh

# what is compiled into the binary, as a CycloneDX file
sbom FILE="target/evenkeel.cdx.json":
    scripts/sbom.py {{FILE}}

# all that a release consists of: package, static binary, image, debug information, SBOM, notes, checksums (as root; both release builds when they are not there)
release:
    scripts/release.sh
