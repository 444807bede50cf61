#!/usr/bin/env python3
"""Checks OpenSLO files against the project's JSON schemas: validate.py SCHEMAS FILE...

SCHEMAS is the folder `schemas/v1` of https://github.com/OpenSLO/OpenSLO at a commit that has it. The files are read with PyYAML, whose YAML is
1.1, as it is that of many tools: a name such as `on` or `1e5` that was not quoted becomes something else there, and the schema sees it.

In one thing the schemas are not the specification: in `alertPolicies` of an SLO they want bare names, where the text (README.md, "SLO") and the
project's library for Go, for which the schemas were given up, have `alertPolicyRef: NAME`. References are checked as the names in them; and since
no schema looks at that, each name has to be that of an AlertPolicy of the files, of which none may be left that no SLO refers to.
"""

import collections
import json
import pathlib
import sys

import jsonschema
import referencing
import yaml

BASE = "https://openslo.com/schemas/v1/"


def validator(folder):
    """The validator of an object, with all parts of the schema by their names."""
    resources = []
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        schema = json.loads(path.read_text())
        # the schemas name their dialect without the `#` at its end
        resources.append((BASE + name, referencing.jsonschema.DRAFT7.create_resource(schema)))
    registry = referencing.Registry().with_resources(resources)
    whole = {"$ref": BASE + "openslo.schema.json"}
    return jsonschema.Draft7Validator(whole, registry=registry)


class Loader(yaml.SafeLoader):
    """Leaves times as texts, as JSON has them."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def reasons(error):
    """What is wrong in the end, below the `oneOf` of the kinds."""
    if not error.context:
        return [error]
    best = jsonschema.exceptions.best_match([error])
    return [best]


def referred(document):
    """The names of the alert policies that an SLO refers to, which take the place of its references."""
    policies = document.get("spec", {}).get("alertPolicies", []) if document.get("kind") == "SLO" else []
    for place, policy in enumerate(policies):
        if isinstance(policy, dict) and list(policy) == ["alertPolicyRef"]:
            policies[place] = policy["alertPolicyRef"]
    return set(policies)


def main(schemas, *files):
    check = validator(pathlib.Path(schemas))
    wrong, kinds, policies, names = [], collections.Counter(), set(), set()
    for file in files:
        for number, document in enumerate(yaml.load_all(pathlib.Path(file).read_text(), Loader), 1):
            kinds[document["kind"]] += 1
            names |= referred(document)
            if document["kind"] == "AlertPolicy":
                policies.add(document["metadata"]["name"])
            for error in check.iter_errors(document):
                wrong += [f"{file}: document {number}: {one.json_path}: {one.message}" for one in reasons(error)]
    wrong += [f"no AlertPolicy is called {name}" for name in sorted(names - policies)]
    wrong += [f"no SLO refers to the AlertPolicy {name}" for name in sorted(policies - names)]
    for one in wrong:
        print(one)
    print(", ".join(f"{count} {kind}" for kind, count in kinds.items()) + f": {len(wrong)} mistakes")
    return 1 if wrong or not kinds else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
