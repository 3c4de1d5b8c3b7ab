#!/usr/bin/env python3
"""Writes the bill of materials of a release as CycloneDX 1.5 JSON.

    sbom.py PROGRAM VERSION OUTPUT

What is linked in or shipped comes from scripts/downloads.txt (with the SHA-256 that setup checked); the shared libraries
come from the program itself, named by the Debian package that holds each.
"""
import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pinned():
    for line in (ROOT / "scripts/downloads.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        tier, name, version, registry, licence, _, sha256, purpose = (f.strip() for f in line.split("|"))
        if tier != "run":
            continue
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "description": purpose,
            "purl": f"pkg:{registry}/{name}@{version}",
            "licenses": [{"license": {"id": licence}}],
            "hashes": [{"alg": "SHA-256", "content": sha256}],
        }


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def loaded_later():
    """What base/curl.h names: no dynamic section tells of it."""
    name = re.search(r'NX_CURL_LIBRARY "(\S+)"', (ROOT / "src/base/curl.h").read_text())[1]
    return re.findall(rf"{re.escape(name)} .*=> (/\S+)", output("/sbin/ldconfig", "-p"))[:1]


def shared(program):
    later = loaded_later()
    texts = [output("ldd", f) for f in (str(program), *later)]
    files = {os.path.realpath(f) for f in (*later, *re.findall(r"=> (/\S+)", "".join(texts)))}
    packages = {line.split(":")[0] for f in files for line in output("dpkg", "-S", f, f.removeprefix("/usr")).splitlines()}
    for package in sorted(packages):
        version = output("dpkg-query", "-W", "-f", "${Version}", package)
        yield {"type": "library", "name": package, "version": version, "purl": f"pkg:deb/debian/{package}@{version}"}


def main():
    program, version, target = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    # A release made twice from one commit is the same to the byte: its time is the commit's.
    when = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'nexus {version} {when.isoformat()}')}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "name": "nexus", "version": version,
                          "licenses": [{"license": {"id": "Apache-2.0"}}]},
        },
        "components": [*pinned(), *shared(program)],
    }
    target.write_text(json.dumps(bill, indent=2) + "\n")


main()
