#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, for the page of its release.
#
#   scripts/release-notes.sh [VERSION]        default: the version in Cargo.toml
cd "$(dirname "$0")/.."
set -euo pipefail

version=${1:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
notes=$(awk -v version="$version" '
    /^## / { ours = $2 == version; next }
    ours { print }
' CHANGELOG.md)
if [ -z "$notes" ]; then
    echo "release-notes: CHANGELOG.md has no section \"## $version\"" >&2
    exit 1
fi
# the blank lines at both ends go
printf '%s\n' "$notes" | sed -e '/./,$!d'
