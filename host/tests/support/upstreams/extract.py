"""Cuts a vendor's OpenAPI file down to what a validating proxy needs to judge the requests of our providers.

    python3 extract.py VENDOR.json OUT.json [--comma-lists] "GET /orgs/{org_slug}/alerts" ...

`--comma-lists` is for Netdata, whose Agents take `options=a,b` while its document forgets to say `explode: false`.

Keeps parameters, request bodies, security and the schemas they refer to; drops prose, examples and the bodies of answers.
"""

import json
import sys

PROSE = {"description", "summary", "example", "examples", "title", "externalDocs", "deprecated", "tags", "operationId"}


def cut(node, in_properties=False):
    if isinstance(node, list):
        return [cut(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        # A property may well be called "title" or "description".
        if not in_properties and (key in PROSE or key.startswith("x-")):
            continue
        kept[key] = cut(value, in_properties=key == "properties" and not in_properties)
    return kept


def references(node):
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)


def parameters(node):
    if isinstance(node, list):
        for item in node:
            yield from parameters(item)
    elif isinstance(node, dict):
        if node.get("in") == "query" and "schema" in node:
            yield node
        for value in node.values():
            yield from parameters(value)


def at(document, pointer):
    for part in pointer.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def put(document, pointer, value):
    *parents, last = pointer.removeprefix("#/").split("/")
    for part in parents:
        document = document.setdefault(part, {})
    document[last] = value


def main():
    source, target, *wanted = sys.argv[1:]
    comma_lists = "--comma-lists" in wanted
    wanted = [line for line in wanted if line != "--comma-lists"]
    with open(source, encoding="utf-8") as file:
        vendor = json.load(file)
    result = {
        "openapi": vendor["openapi"],
        "info": {"title": vendor["info"]["title"], "version": vendor["info"]["version"]},
        "paths": {},
        "components": {"securitySchemes": cut(vendor.get("components", {}).get("securitySchemes", {}))},
    }
    if "security" in vendor:
        result["security"] = vendor["security"]
    for line in wanted:
        method, path = line.split(" ")
        item = vendor["paths"][path]
        operation = cut(item[method.lower()])
        operation["responses"] = {"200": {"description": ""}}
        place = result["paths"].setdefault(path, {})
        if "parameters" in item:
            place["parameters"] = cut(item["parameters"])
        place[method.lower()] = operation
    done, waiting = set(), set(references(result))
    while waiting:
        pointer = waiting.pop()
        if pointer in done:
            continue
        done.add(pointer)
        value = cut(at(vendor, pointer))
        put(result, pointer, value)
        waiting |= set(references(value)) - done
    if comma_lists:
        for parameter in parameters(result):
            if parameter["schema"].get("type") == "array":
                parameter["explode"] = False
    with open(target, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, sort_keys=True)
        file.write("\n")


main()
