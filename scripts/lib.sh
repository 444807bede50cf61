# shellcheck shell=bash
# What the scripts beside this one have in common. They source it, from the repository's folder:
#
#   cd "$(dirname "$0")/.."
#   bound=300                   # where it must not take longer: seconds, after which it is ended from outside
#   . scripts/lib.sh
#
# and have `set -euo pipefail`, a folder `$work` that is gone at the end with every process that `start` has started, and what is
# below. With `pipefail`, `command | grep -q` fails when grep has seen enough before the command has written all: an answer goes into
# a variable or a file first.
set -euo pipefail

script=$(basename "$0" .sh)
if [ -n "${bound:-}" ] && [ "${BOUNDED:-}" != "$script" ]; then
    BOUNDED=$script exec timeout --kill-after=10 "$bound" "scripts/$script.sh" "$@"
fi
work=$(mktemp -d)
pids=()
passed=0
failed=0

finish() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    # some write until they have ended
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

# ---------------------------------------------------------------- what is run

# the binary: EVENKEEL, or the release build, which is made when it is not there
the_binary() {
    evenkeel=${EVENKEEL:-${CARGO_TARGET_DIR:-target}/release/evenkeel}
    [ -n "${EVENKEEL:-}" ] || [ -x "$evenkeel" ] || cargo build --locked --release
}

# the static one in `$static`: STATIC, or the release build for musl, which is made when it is not there
the_static_binary() {
    local target
    target=$(uname -m)-unknown-linux-musl
    static=${STATIC:-${CARGO_TARGET_DIR:-target}/$target/release/evenkeel}
    [ -n "${STATIC:-}" ] || [ -x "$static" ] || { rustup target add "$target" && cargo build --locked --release --bin evenkeel --target "$target"; }
}

# the version in Cargo.toml
the_version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

# `$python`, with what scripts/NAME/requirements.txt asks for, in `$venv`; made anew only when that file changes
the_python() {
    local wanted=scripts/$script/requirements.txt
    venv=target/$script/venv
    python=$venv/bin/python
    if cmp -s "$wanted" "$venv/installed"; then return; fi
    rm -rf "$venv"
    python3 -m venv "$venv"
    timeout 200 "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
    cp "$wanted" "$venv/installed"
}

# `$promtool`: PROMTOOL, or the machine's, or the one in Debian's package, which is unpacked and not installed: that would start a server
the_promtool() {
    promtool=${PROMTOOL:-$(command -v promtool || true)}
    [ -z "$promtool" ] || return 0
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .)
    promtool=$work/usr/bin/promtool
}

start() { # NAME COMMAND...: in the background, with what it prints in $work/NAME.log; its process is $!
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
}

until_it() { # WHAT COMMAND...: waits until the command succeeds, for 10 s, or until something that was started ends
    local what=$1 pid
    shift
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return
        for pid in "${pids[@]}"; do
            kill -0 "$pid" 2>/dev/null || give_up "waiting for $what: process $pid has ended"
        done
        sleep 0.05
    done
    give_up "waited in vain for $what"
}

listens() { # PORT: whether somebody listens there on 127.0.0.1; without connecting, which makes some servers think of a client
    local at
    printf -v at '0100007F:%04X' "$1"
    awk -v at="$at" '$2 == at && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp
}

free_ports() { # COUNT: so many that nobody has, on one line
    python3 -c '
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))' "$1"
}

certificates() { # FOLDER NAME...
    scripts/make-certs.sh "$@" >>"$work/certs.log" 2>&1 || give_up "no certificates"
}

# user and system time of a process, in the kernel's ticks
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# ---------------------------------------------------------------- how it is told

say() { echo "$script: $*"; }

give_up() {
    say "$*" >&2
    tail -n 50 "$work"/*.log >&2 || true
    exit 1
}

tell() { # NAME CODE: what the command printed is in $work/out
    if [ "$2" = 0 ]; then
        say "$1 ok"
        passed=$((passed + 1))
    else
        say "$1 FAILED"
        tail -n 40 "$work/out" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
}

check() { # NAME COMMAND...: every step of the command must succeed. Not `if "$@"`: bash ignores `set -e` in a condition.
    local name=$1 code
    shift
    set +e
    (
        set -e
        "$@"
    ) >"$work/out" 2>&1
    code=$?
    set -e
    tell "$name" "$code"
}

# the last check, and the sum of all: the proxy, started as `proxy`, stops when it is told to, and no connection was given up
stop_and_sum_up() { # PID
    local code=0
    # here and not in `check`: only the parent of a process can wait for it
    kill -TERM "$1"
    wait "$1" || code=$?
    echo "its exit code is $code" >"$work/out"
    if grep 'a defect' "$work/proxy.log" >>"$work/out"; then code=101; fi
    tell 'evenkeel: stops on SIGTERM with exit code 0, nothing panicked' "$code"
    [ "$failed" = 0 ] || tail -n 30 "$work/proxy.log"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
