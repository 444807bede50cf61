#!/usr/bin/env python3
"""Lists what is compiled into the binary: as a CycloneDX 1.6 file (SBOM), and as the texts of its licences.

    scripts/sbom.py evenkeel.cdx.json [--licences third-party.txt] [--target x86_64-unknown-linux-gnu]

From `cargo metadata` and Cargo.lock: the crates of a release build for that target, without those of tests and of the build itself, and the C libraries
whose sources two of them bring. The same tree gives the same bytes: the time is SOURCE_DATE_EPOCH, or the last commit's.
"""
import argparse
import collections
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent

# crates that compile a C library of others into the binary: where its version stands, and what scanners for vulnerabilities call it
C_LIBRARIES = {
    "libsqlite3-sys": ("sqlite", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([^"]+)"', "blessing", "cpe:2.3:a:sqlite:sqlite:{}:*:*:*:*:*:*:*"),
    "aws-lc-sys": ("aws-lc", "aws-lc/include/openssl/base.h", r'#define AWSLC_VERSION_NUMBER_STRING "([^"]+)"', "ISC AND (Apache-2.0 OR ISC)",
                   "cpe:2.3:a:amazon:aws-lc:{}:*:*:*:*:*:*:*"),
}
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def linked(target):
    """The packages whose code is in the binary, each with what it uses of the others; the root first."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

    def runs_at_build(package):
        return any("proc-macro" in kind["kind"] for kind in packages[package]["targets"])

    found = {}
    waiting = [metadata["resolve"]["root"]]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        uses = [dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        found[package] = [used for used in uses if not runs_at_build(used)]
        waiting.extend(found[package])
    return [(packages[package], [packages[used] for used in uses]) for package, uses in found.items()]


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def c_library(package):
    if package["name"] not in C_LIBRARIES:
        return []
    name, header, pattern, licence, cpe = C_LIBRARIES[package["name"]]
    version = re.search(pattern, (folder(package) / header).read_text(errors="replace")).group(1)
    return [{
        "type": "library", "bom-ref": f"pkg:generic/{name}@{version}", "name": name, "version": version, "purl": f"pkg:generic/{name}@{version}",
        "cpe": cpe.format(version), "licenses": [{"expression": licence}],
    }]


def component(package, checksums):
    made = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"], "purl": purl(package)}
    if package["description"]:
        made["description"] = " ".join(package["description"].split())
    # Cargo took a slash for OR once
    if package["license"]:
        made["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    inside = c_library(package)
    if inside:
        made["components"] = inside
    return made


def sbom(tree, moment):
    with open(ROOT / "Cargo.lock", "rb") as lock:
        checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(lock)["package"]}
    by_name = sorted(tree, key=lambda entry: (entry[0]["name"], entry[0]["version"]))
    root = component(tree[0][0], checksums) | {"type": "application"}
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": root},
        "components": [component(package, checksums) for package, _ in by_name if package is not tree[0][0]],
        "dependencies": [{"ref": purl(package), "dependsOn": sorted({purl(used) for used in uses})} for package, uses in by_name],
    }
    content = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).digest()
    return {"serialNumber": f"urn:uuid:{uuid.UUID(bytes=content[:16], version=4)}"} | bom


def folder(package):
    return pathlib.Path(package["manifest_path"]).parent


def is_licence(file):
    return file.is_file() and LICENCE_FILES.match(file.name) and file.suffix not in {".rs", ".py", ".go", ".json", ".h", ".c"}


def licences(tree):
    """Each text once, below the names of those that it is the licence of."""
    whose = collections.defaultdict(list)
    without = []
    for package, _ in sorted(tree, key=lambda entry: entry[0]["name"]):
        owner = f"{package['name']} {package['version']}"
        if package is tree[0][0]:
            continue
        texts = [file.read_text(errors="replace").strip() for file in sorted(folder(package).rglob("*")) if is_licence(file)]
        if not texts:
            without.append(f"{owner}: {package['license']}, {package['repository']}")
        for text in texts:
            if owner not in whose[text]:
                whose[text].append(owner)
    parts = ["Evenkeel has these works of others compiled in, each under the licence below its name.\n"]
    for text, owners in whose.items():
        parts.append("-" * 80 + "\n" + "\n".join(owners) + "\n\n" + text + "\n")
    if without:
        parts.append("-" * 80 + "\nThese come without a text, and name their licence:\n\n" + "\n".join(without) + "\n")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--licences", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--target", default="x86_64-unknown-linux-gnu")
    asked = parser.parse_args()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True)
    tree = linked(asked.target)
    bom = sbom(tree, datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc))
    asked.file.write_text(json.dumps(bom, indent=2) + "\n")
    if asked.licences:
        asked.licences.write_text(licences(tree))


main()
