# shellcheck shell=bash disable=SC2154
# Tries a package in a Debian that has nothing but its base system and systemd, and that is gone afterwards. scripts/package.sh sources this file.

# ---------------------------------------------------------------- the machine

# a root with systemd in it; it is made once, and kept packed
fresh_debian() {
    local packed=target/debian-$suite.tar
    if [ ! -s "$packed" ]; then
        mmdebstrap --quiet --format=tar --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,curl,logrotate,procps "$suite" "$packed.new" >"$work/debian.log" 2>&1 ||
            give_up "no Debian to try it in"
        mv "$packed.new" "$packed"
    fi
    root=$work/root
    mkdir "$root"
    tar -xf "$packed" -C "$root"
}

# It has no network but a loopback of its own.
boot() {
    start machine systemd-nspawn --directory="$root" --boot --register=no --keep-unit --private-network --link-journal=no
    local nspawn=$!
    until_it 'the first process of the machine' pgrep --parent "$nspawn"
    init=$(pgrep --parent "$nspawn")
    until_it 'the machine' is_up
}

inside() { nsenter --target "$init" --all --root --wd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# with a program of this machine's, in the network of the other one
beside() { nsenter --target "$init" --net "$@"; }

is_up() { [[ "$(inside systemctl is-system-running)" =~ running|degraded ]]; }

apt() { inside apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }

# every file of it, its users and its units, but for what package managers and systemd write about themselves
everything() {
    inside find / -xdev \( -path /var/log/journal -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log/apt \
        -o -path /var/lib/systemd/timers -o -path /var/lib/logrotate \) -prune -o ! -regex '/var/log/[^/]*[.]log' ! -path '/etc/*-' ! -path /etc/.pwd.lock -print | sort
    inside cat /etc/passwd /etc/group
    inside systemctl list-unit-files --no-legend --no-pager | grep -v '\.mount\|\.scope' | sort
}

# ---------------------------------------------------------------- the service

main_pid() { inside systemctl show --property=MainPID --value evenkeel.service; }

serves() { beside curl --fail --silent --show-error --max-time 5 http://127.0.0.1:8080/ | grep --quiet served; }

# asks over connections of its own until it is told to stop; what fails is written down
client() {
    while [ -e "$work/go" ]; do
        if serves 2>>"$work/client.log"; then echo >>"$work/answers"; else echo "lost" >>"$work/client.log"; fi
    done
}

installed() {
    apt install "/packages/$(basename "$first")"
    inside systemctl is-enabled evenkeel.service
    inside systemctl is-active evenkeel.service
    inside evenkeel ready -c /etc/evenkeel/proxy.toml
    [ "$(inside ps -o user= -p "$(main_pid)")" = evenkeel ]
    until_it 'an answer' serves
    inside dpkg --verify evenkeel
    inside systemctl show --property=NRestarts evenkeel.service | grep --quiet =0
}

reloaded() {
    local before
    before=$(main_pid)
    inside sed -i 's#^access = "off"#access = "/var/log/evenkeel/access.log"#' /etc/evenkeel/proxy.toml
    # turning it on takes another process: the same hand-over as an upgrade
    inside systemctl kill --kill-whom=main --signal=USR2 evenkeel.service
    until_it 'the hand-over' replaced "$before"
    inside sed -i 's#Evenkeel is here#Evenkeel was reloaded#' /etc/evenkeel/proxy.toml
    inside systemctl reload evenkeel.service
    until_it 'the reload' beside sh -c 'curl --silent http://127.0.0.1:8080/evenkeel | grep --quiet reloaded'
    # a mistake changes nothing, and is told
    inside sed -i 's#^bind = "127.0.0.1:8080"#bindd = "127.0.0.1:8080"#' /etc/evenkeel/proxy.toml
    if inside systemctl reload evenkeel.service; then return 1; fi
    serves
    inside sed -i 's#^bindd = #bind = #' /etc/evenkeel/proxy.toml
}

replaced() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ]; }

rotated() {
    until_it 'the access log' inside test -s /var/log/evenkeel/access.log
    inside logrotate --force /etc/logrotate.d/evenkeel
    inside test -s /var/log/evenkeel/access.log.1
    until_it 'lines in the new access log' inside test -s /var/log/evenkeel/access.log
    [ "$(inside stat --format=%U /var/log/evenkeel/access.log)" = evenkeel ]
}

upgraded() {
    local before held
    before=$(main_pid)
    beside curl --fail --silent --show-error --max-time 60 http://127.0.0.1:8080/wait >"$work/held" 2>&1 &
    held=$!
    until_it 'the request that is under way' grep --quiet /wait "$work/backends.log"
    apt install "/packages/$(basename "$second")"
    replaced "$before"
    inside sh -c "test \"\$(readlink /proc/$(main_pid)/exe)\" = /usr/bin/evenkeel"
    # what was under way is ended by the process that began with it
    inside test -e "/proc/$before"
    touch "$work/answer"
    wait "$held"
    grep --quiet served "$work/held"
    until_it 'the end of the old process' inside test ! -e "/proc/$before"
    # the file that was changed is still the one that was changed
    inside grep --quiet 'Evenkeel was reloaded' /etc/evenkeel/proxy.toml
}

# a configuration that the new version can't use: the old one serves on, and the package says so
not_taken_over() {
    local before
    before=$(main_pid)
    inside sed -i 's#^protocol = "http" #protocol = "htttp" #' /etc/evenkeel/proxy.toml
    apt install --allow-downgrades "/packages/$(basename "$first")" >"$work/not_taken_over" 2>&1
    grep 'the previous one serves on' "$work/not_taken_over"
    [ "$(main_pid)" = "$before" ]
    serves
    inside sed -i 's#^protocol = "htttp" #protocol = "http" #' /etc/evenkeel/proxy.toml
    apt install "/packages/$(basename "$second")"
    replaced "$before"
}

nobody_lost_anything() {
    [ "$(wc -l <"$work/answers")" -gt 100 ]
    cat "$work/client.log"
    [ ! -s "$work/client.log" ]
}

removed() {
    apt remove evenkeel
    if inside systemctl is-active evenkeel.service; then return 1; fi
    # state, logs and configuration wait for another installation
    inside test -s /var/log/evenkeel/access.log
    inside test -s /etc/evenkeel/proxy.toml
    apt install "/packages/$(basename "$second")"
    inside systemctl is-active evenkeel.service
    inside systemctl show --property=NRestarts evenkeel.service | grep --quiet =0
}

purged() {
    apt purge evenkeel
    everything >"$work/after"
    diff "$work/before" "$work/after"
    [ -z "$(inside find / -xdev -nouser)" ]
    if inside pgrep evenkeel; then return 1; fi
}

# another program has the port: the package is installed, says what is wrong, and does not try every second
port_taken() {
    inside systemd-run --quiet --unit=other systemd-socket-activate --listen=127.0.0.1:8080 --accept /bin/cat
    until_it 'the other program' beside bash -c '</dev/tcp/127.0.0.1/8080'
    apt install "/packages/$(basename "$first")" >"$work/port_taken" 2>&1
    grep 'could not be started' "$work/port_taken"
    [ "$(inside systemctl is-active evenkeel.service)" != activating ]
    inside systemctl stop other.service
    inside systemctl start evenkeel.service
    until_it 'an answer' serves
    apt purge evenkeel
    everything >"$work/after"
    diff "$work/before" "$work/after"
}

try_it() { # FIRST SECOND: two packages, the second one newer
    local clients=()
    first=$1
    second=$2
    fresh_debian
    boot
    inside mkdir /packages
    cp "$first" "$second" "$root/packages"
    # not by `beside`: a function would be a shell, and what it has started would outlive it
    start backends nsenter --target "$init" --net python3 scripts/package/backend.py "$work/answer"
    everything >"$work/before"
    check 'installed: enabled, started, ready, as a user of its own' installed
    touch "$work/go"
    : >"$work/client.log"
    # not by `start`: they end before the machine does
    client & clients+=($!)
    client & clients+=($!)
    check 'reloaded; a mistake changes nothing' reloaded
    check 'the access log is rotated' rotated
    check 'upgraded: what is under way ends, and changed files stay' upgraded
    check 'a version that can not start does not take over' not_taken_over
    rm "$work/go"
    wait "${clients[@]}"
    check "of $(wc -l <"$work/answers") requests meanwhile none was lost" nobody_lost_anything
    check 'removed: state and configuration stay; installed again' removed
    check 'purged: nothing is left' purged
    check 'the port is taken: it is said, and not tried for ever' port_taken
}
