#!/usr/bin/env bash
# Makes all that a release consists of, in target/release-VERSION: the Debian package, a static binary with what belongs to it as an archive, the image,
# the debug information of both binaries, the list of what is compiled in, the notes, and the checksums of them all. Needs root, for the image.
#
# EVENKEEL and STATIC name the two binaries (default: both release builds, made when they are not there).
cd "$(dirname "$0")/.."
bound=7200
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

version=$(the_version)
out=target/release-$version
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# with what an installation by hand needs; the debug information is a file of its own, which the binary names (gdb looks for it beside the binary)
archive() {
    local name
    name=evenkeel-$version-$(uname -m)-linux
    mkdir -p "$work/$name/deploy"
    objcopy --only-keep-debug --compress-debug-sections "$static" "$out/$name.debug"
    strip -o "$work/$name/evenkeel" "$static"
    objcopy --add-gnu-debuglink="$out/$name.debug" "$work/$name/evenkeel"
    cp -r LICENSE README.md CHANGELOG.md proxy.toml docs "$out/evenkeel-$version.cdx.json" "$out/third-party-$version.txt" "$work/$name"
    cp -r deploy/{evenkeel.service,grafana,keepalived,kubernetes,prometheus.yml,prometheus-alerts.yml} "$work/$name/deploy"
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode=go=rX,u+rwX -C "$work" -c "$name" | gzip -n -9 >"$out/$name.tar.gz"
}

the_binary
the_static_binary
export EVENKEEL=$evenkeel STATIC=$static
for binary in "$evenkeel" "$static"; do
    [ "$("$binary" --version)" = "evenkeel $version" ] || give_up "$binary is not of version $version"
done
rm -rf "$out"
mkdir -p "$out"
scripts/release-notes.sh "$version" >"$out/notes.md"
scripts/sbom.py "$out/evenkeel-$version.cdx.json" --licences "$out/third-party-$version.txt" --target "$(uname -m)-unknown-linux-musl"
scripts/package.sh
scripts/image.sh
cp target/debian/*.deb target/image/*.tar "$out"
gzip -n -9 "$out"/evenkeel-"$version".tar
mv "$out/evenkeel-$version.tar.gz" "$out/evenkeel-$version-image.tar.gz"
archive
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
say "made in $out:"
ls -lh "$out"
