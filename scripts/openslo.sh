#!/usr/bin/env bash
# Checks what `evenkeel slo export` writes against the JSON schemas of the OpenSLO project, and that it comes back the same from `evenkeel slo import`.
#
#   OPENSLO_SCHEMAS=FOLDER scripts/openslo.sh [proxy.toml]
#
# The folder is `schemas/v1` of https://github.com/OpenSLO/OpenSLO. The project took the schemas out in September 2024, in favour of a library for
# Go; the last commit that has them is c0f662522fd92c86e8cfd87a3e3a39715a526ab2. They are not kept here: they are the project's, and this needs
# the network once, so it is no step of CI. The tests of src/openslo hold what CI holds.
cd "$(dirname "$0")/.."
bound=300
. scripts/lib.sh

config=${1:-scripts/openslo/proxy.toml}
[ -f "${OPENSLO_SCHEMAS:-}/openslo.schema.json" ] || give_up "OPENSLO_SCHEMAS has to be the folder of the schemas (see the top of this script)"
the_binary
the_python

"$evenkeel" slo export -c "$config" >"$work/exported.yaml"
check 'the export passes the schemas' "$python" scripts/openslo/validate.py "$OPENSLO_SCHEMAS" "$work/exported.yaml"

"$evenkeel" slo import "$work/exported.yaml" >"$work/imported.toml"
# what the import prints are sections without backends, which the services have in the configuration
"$python" scripts/openslo/replaced.py "$config" "$work/imported.toml" >"$work/again.toml"
"$evenkeel" slo export -c "$work/again.toml" >"$work/again.yaml"
check 'export, import, export is the identity' diff "$work/exported.yaml" "$work/again.yaml"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
