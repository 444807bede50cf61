#!/usr/bin/env bash
# Makes the Debian package from the binary, deploy/debian and the docs. Nothing is compiled here.
#
#   scripts/package.sh              the package, and the one with its debug information, in target/debian; looked at by lintian
#   scripts/package.sh test         the same, and in a fresh Debian under its own systemd: installed, reloaded, upgraded, purged. Needs root.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). SUITE names the Debian (default: bookworm).
# The same binary and the same commit give the same bytes.
cd "$(dirname "$0")/.."
bound=1800
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh package
the_binary
the_python
out=target/debian
suite=${SUITE:-bookworm}
version=$(the_version)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
if [ "${1:-}" = test ]; then
    # quickly, without debug information
    export COMPRESSION_LEVEL=0 DEB_BUILD_OPTIONS=noautodbgsym
fi

# ---------------------------------------------------------------- the package

lay_out() { # TREE VERSION: what debhelper packs
    local tree=$1
    cp -r deploy/debian "$tree/debian"
    cp "$evenkeel" "$tree/evenkeel"
    cp -r proxy.toml README.md CHANGELOG.md docs deploy "$tree"
    # pictures are for the pages on the web
    rm -rf "$tree/docs/img"
    # /usr/local is for those who build it themselves
    sed 's#/usr/local/#/usr/#' deploy/evenkeel.service >"$tree/debian/evenkeel.service"
    sed -i 's#/usr/local/#/usr/#' "$tree"/deploy/keepalived/*.conf
    cp "$work/evenkeel.cdx.json" "$work/third-party.txt" "$tree"
    # of a binary that has them
    if "$evenkeel" man --help >/dev/null 2>&1; then
        "$evenkeel" man "$tree/man" >/dev/null
        echo 'man/*' >"$tree/debian/evenkeel.manpages"
    fi
    if "$evenkeel" completions --help >/dev/null 2>&1; then
        mkdir -p "$tree"/completions/{bash,zsh,fish}
        "$evenkeel" completions bash >"$tree/completions/bash/evenkeel"
        "$evenkeel" completions zsh >"$tree/completions/zsh/_evenkeel"
        "$evenkeel" completions fish >"$tree/completions/fish/evenkeel.fish"
        cat >>"$tree/debian/evenkeel.install" <<'LIST'
completions/bash/* usr/share/bash-completion/completions
completions/zsh/* usr/share/zsh/vendor-completions
completions/fish/* usr/share/fish/vendor_completions.d
LIST
    fi
    cat >"$tree/debian/changelog" <<LOG
evenkeel ($2) $suite; urgency=medium

  * Evenkeel ${2%-*}. What has changed is in changelog.gz beside this file.

 -- Evenkeel maintainers <maintainers@evenkeel.example>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
LOG
}

pack() { # VERSION FOLDER
    local tree=$work/build/evenkeel-$1
    mkdir -p "$2" "$tree"
    lay_out "$tree" "$1"
    (cd "$tree" && dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes) >"$work/build.log" 2>&1 || give_up "$1 could not be packed"
    mv "$work"/build/*.deb "$2"
    rm -rf "$work/build"
}

same_bytes() {
    local package
    pack "$version-1" "$work/again"
    for package in "$work"/again/*.deb; do cmp "$package" "$out/$(basename "$package")"; done
}

# the same as another version, to upgrade to
newer() { # PACKAGE FILE
    dpkg-deb --raw-extract "$1" "$work/newer"
    sed -i 's/^Version: .*/&+newer/' "$work/newer/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$work/newer" "$2" >/dev/null
}

small_enough() {
    dpkg-deb --fsys-tarfile "$out/evenkeel_$version-1_"*.deb | tar -tv ./usr/bin/evenkeel | awk '{ print $3, "bytes"; exit $3 > 32000000 }'
}

scripts/sbom.py "$work/evenkeel.cdx.json" --licences "$work/third-party.txt"
rm -rf "$out"
pack "$version-1" "$out"
for package in "$out"/*.deb; do say "made $package, $(stat --format=%s "$package") bytes"; done

check 'lintian finds no mistake' lintian --no-cfg --fail-on error,warning "$out"/*.deb
check 'the SBOM fits the schema of CycloneDX' "$python" scripts/package/valid_sbom.py "$work/evenkeel.cdx.json"
if [ "${1:-}" != test ]; then
    check 'the binary has 32 MB at most' small_enough
elif [ "$(id -u)" != 0 ]; then
    say 'not tried: that needs root'
else
    # shellcheck source=scripts/package/try.sh
    . scripts/package/try.sh
    check 'packed again: the same bytes' same_bytes
    newer "$out/evenkeel_$version-1_"*.deb "$work/newer.deb"
    try_it "$out/evenkeel_$version-1_"*.deb "$work/newer.deb"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
