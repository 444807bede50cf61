#!/usr/bin/env python3
"""Checks OpenSLO files against the project's JSON schemas: validate.py SCHEMAS FILE...

SCHEMAS is the folder `schemas/v1` of https://github.com/OpenSLO/OpenSLO at a commit that has it. The files are read with PyYAML, whose YAML is
1.1, as it is that of many tools: a name such as `on` or `1e5` that was not quoted becomes something else there, and the schema sees it.
"""

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


def main(schemas, *files):
    check = validator(pathlib.Path(schemas))
    count = wrong = 0
    for file in files:
        for number, document in enumerate(yaml.load_all(pathlib.Path(file).read_text(), Loader), 1):
            count += 1
            for error in check.iter_errors(document):
                for reason in reasons(error):
                    wrong += 1
                    print(f"{file}: document {number}: {reason.json_path}: {reason.message}")
    print(f"{count} documents, {wrong} mistakes")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
