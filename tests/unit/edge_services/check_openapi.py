"""Checks the OpenAPI document that a program prints: valid JSON, every reference leads somewhere, every path
parameter is declared, every route of the contract is there.

usage: check_openapi.py PROGRAM
"""
import json
import re
import subprocess
import sys

ROUTES = """
POST /v1/collections
GET /v1/collections
DELETE /v1/collections/{name}
GET /v1/collections/{name}/status
POST /v1/collections/{collection}/indexes
DELETE /v1/collections/{collection}/indexes/{key}/{type}
POST /v1/collections/{collection}/points
POST /v1/collections/{collection}/points/search
POST /v1/collections/{collection}/points/search/stream
POST /v1/collections/{collection}/points/search/batch
GET /v1/collections/{collection}/points/{id}
DELETE /v1/collections/{collection}/points/{id}
PUT /v1/user/profile
POST /v1/feedback
""".split("\n")[1:-1]

document = json.loads(subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE).stdout)
assert document["openapi"].startswith("3.1"), document["openapi"]
assert document["info"]["title"] and re.match(r"\d+\.\d+", document["info"]["version"])
schemas = document["components"]["schemas"]


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


used = set(references(document))
prefix = "#/components/schemas/"
for reference in used:
    assert reference.startswith(prefix) and reference[len(prefix):] in schemas, f"dangling {reference}"
for name in schemas:
    assert prefix + name in used, f"schema {name} is used nowhere"
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name), name

found, operations = [], set()
for path, item in document["paths"].items():
    for verb, operation in item.items():
        assert verb in ("get", "post", "put", "delete"), verb
        found.append(f"{verb.upper()} {path}")
        assert operation["operationId"] not in operations, operation["operationId"]
        operations.add(operation["operationId"])
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path" and p["required"]}
        assert declared == set(re.findall(r"{(\w+)}", path)), f"{path}: {declared}"
        assert ("requestBody" in operation) == (verb in ("post", "put")), path
        assert {"200", "default"} == set(operation["responses"]), path
assert sorted(found) == sorted(ROUTES), set(found) ^ set(ROUTES)

point = schemas["vectron.v1.Point"]["properties"]
assert point["payload"] == {"type": "object", "additionalProperties": {"type": "string"}}
assert point["vector"] == {"type": "array", "items": {"type": "number", "format": "float"}}
shard = schemas["vectron.v1.ShardStatus"]["properties"]
assert shard["leaderId"] == {"type": "string", "format": "uint64"}
assert "includeMetadata" in schemas["vectron.v1.SearchRequest"]["properties"]
stream = document["paths"]["/v1/collections/{collection}/points/search/stream"]["post"]
assert list(stream["responses"]["200"]["content"]) == ["text/event-stream"]
print(f"{len(found)} operations, {len(schemas)} schemas")
