"""The server's description in OpenAPI 3.1, made of the table of calls and the messages' types."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gpuqio.blob_files import BLOB_LENGTHS, BLOB_NAME, CONTAINER_LENGTHS, CONTAINER_NAME, UPWARD
from gpuqio.remote.protocol import API_KEY_HEADER, ErrorBody, JobMessage, SasRequest, SessionMessage
from gpuqio.server import VERSION
from gpuqio.server.call import answer
from gpuqio.server.calls import CALLS, PREFIXES, WORKSPACE, Operation
from gpuqio.server.names import BLOB_URI, JOB_ID, LONGEST_JOB_ID
from gpuqio.solvers import TARGETS

__all__ = ["describe", "document"]

Json = dict[str, Any]

REASONS = {
    400: "The request makes no sense.",
    401: "There is no key, or a wrong one.",
    403: "The signature does not allow this.",
    404: "There is no such thing in this workspace.",
    409: "There is another one of that name.",
    413: "The body is too large.",
    416: "There are no such bytes.",
    429: "There were too many calls, or the queue is full.",
}
TEXT: Json = {"type": "string"}
ANYTHING: Json = {"type": "object"}


def _text(pattern: str, lengths: tuple[int, int]) -> Json:
    return {"type": "string", "pattern": f"^{pattern}$", "minLength": lengths[0], "maxLength": lengths[1]}


_TEXTS, _SIGN = "Name|ItemType|JobType|ProviderId|Target|State", "(eq|ne|lt|le|gt|ge)"
_COLUMN = f"({_TEXTS}|CreationTime)"
_TIME = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,7})?Z)?"
_TEST = rf"(({_TEXTS}) {_SIGN} '[^']*'|CreationTime {_SIGN} {_TIME}|startswith\({_COLUMN}, '[^']*'\))"
_GROUP = rf"({_TEST}|\({_TEST}( (and|or) {_TEST}){{0,9}}\))"
LIST: Json = {
    "filter": {
        "type": "string",
        "pattern": rf"^{_GROUP}( (and|or) {_GROUP}){{0,9}}$",
        "description": "Conditions; parentheses may be nested, which the pattern does not show.",
    },
    "orderby": {"type": "string", "pattern": rf"^{_COLUMN}( asc| desc)?(,{_COLUMN}( asc| desc)?){{0,6}}$"},
    "skip": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
    "top": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
}

_URI: Json = {"anyOf": [{"type": "string", "pattern": f"^{BLOB_URI}$"}, {"type": "null"}]}
REQUESTS: dict[type, Json] = {
    JobMessage: {
        **dict.fromkeys(("name", "providerId", "inputDataFormat", "inputParams", "outputDataFormat", "metadata")),
        **dict.fromkeys(("sessionId", "quantumComputingData", "tags", "priority")),
        "id": {"anyOf": [_text(JOB_ID.pattern, (1, LONGEST_JOB_ID)), {"type": "null"}]},
        "itemType": {"const": "Job"},
        "target": {"enum": list(TARGETS)},
        "containerUri": _URI,
        "inputDataUri": _URI,
    },
    SessionMessage: {**dict.fromkeys(("id", "name", "providerId", "target", "itemType", "jobFailurePolicy"))},
    SasRequest: {
        "containerName": _text(CONTAINER_NAME, CONTAINER_LENGTHS),
        "blobName": {"anyOf": [{**_text(BLOB_NAME, BLOB_LENGTHS), "not": {"pattern": UPWARD}}, {"type": "null"}]},
    },
}
"""What is read of a message that is sent, and what it must be where that is less than its type says."""

_PARAMETER = re.compile(r"\{(\w+)\}")


async def document(request: Request) -> Response:
    """This description."""
    return answer(describe())


@cache
def describe() -> Json:
    """The whole description."""
    types = [t for call in CALLS for t in (call.answer, call.body) if t is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, ErrorBody], ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(repr, types), schemas, strict=False))
    for kind, properties in REQUESTS.items():
        components[f"{kind.__name__}Sent"] = _sent(components[kind.__name__], properties)
    paths: Json = {}
    for prefix in PREFIXES:
        for call in CALLS:
            path = paths.setdefault(f"{prefix}{WORKSPACE}{call.path}", {})
            path[call.method.lower()] = _operation(call, by_type, is_dated=not prefix)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gpuqio",
            "version": VERSION,
            "description": "Azure Quantum's data plane for optimization problems, solved on this machine.",
        },
        "paths": paths | _blob_paths() | _status_paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": API_KEY_HEADER},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"key": []}, {"bearer": []}],
    }


def _operation(call: Operation, by_type: dict[str, Json], *, is_dated: bool) -> Json:
    parameters = [_in_path(name) for name in _PARAMETER.findall(f"{WORKSPACE}{call.path}")]
    if is_dated:
        dated = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(-preview)?$"}
        parameters.append({"name": "api-version", "in": "query", "required": True, "schema": dated})
    if call.is_list:
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in LIST.items()]
    operation: Json = {
        "summary": _summary(call.handler),
        "parameters": parameters,
        "responses": _responses(call.status, call.refusals, by_type.get(repr(call.answer))),
    }
    if call.body is not None:
        schema = by_type[repr(call.body)]
        if call.body in REQUESTS:
            schema = {"$ref": f"#/components/schemas/{call.body.__name__}Sent"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _sent(schema: Json, properties: Json) -> Json:
    """A message's schema, with these properties alone; None for one that is as it was."""
    kept = {name: own or schema["properties"][name] for name, own in properties.items()}
    return {"type": "object", "properties": kept, "required": schema["required"]}


def _in_path(name: str) -> Json:
    schema: Json = {"type": "string", "minLength": 1}
    if name == "job":
        schema = _text(JOB_ID.pattern, (1, LONGEST_JOB_ID))
    elif name == "session":
        schema = {"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,100}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(status: int, refusals: tuple[int, ...], schema: Json | None) -> Json:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}}
    refused = {str(code): {"description": REASONS[code], **error} for code in (400, 401, *refusals, 429)}
    return {str(status): {"description": "As asked.", **content}, **refused}


def _summary(handler: Any) -> str:
    return str(handler.__doc__).strip().splitlines()[0]


def _blob_paths() -> Json:
    """Azure Storage's own protocol, as far as it goes here."""
    signature = [
        {"name": name, "in": "query", "schema": TEXT, "description": "of the shared access signature"}
        for name in ("sv", "se", "sr", "sp", "sig")
    ]
    in_container = [_in_path("account"), _in_path("container"), *signature]
    restype = {"name": "restype", "in": "query", "required": True, "schema": {"const": "container"}}
    comp = {"name": "comp", "in": "query", "schema": {"enum": ["block", "blocklist"]}}
    block = {"name": "blockid", "in": "query", "schema": TEXT}
    of_container, of_blob = [*in_container, restype], [*in_container, _in_path("blob")]

    def operation(summary: str, parameters: list[Json], done: list[int], refusals: list[int], **more: Json) -> Json:
        content: Json = {"content": {media: {"schema": {}} for media in ("application/xml", "application/json")}}
        refused = {str(code): {"description": REASONS[code], **content} for code in refusals}
        answered: Json = {str(code): {"description": "As asked."} for code in done}
        return {"summary": summary, "parameters": parameters, "security": [{}], "responses": answered | refused, **more}

    data: Json = {"content": {"application/octet-stream": {"schema": {}}}}
    return {
        "/{account}/{container}": {
            "get": operation("Whether a container is there.", of_container, [200], [400, 403, 404, 429]),
            "put": operation("Make a container.", of_container, [201], [400, 403, 404, 409, 429]),
        },
        "/{account}/{container}/{blob}": {
            "get": operation("Read a blob, or a range of it.", of_blob, [200, 206], [400, 403, 404, 416, 429]),
            "put": operation(
                *("Write a blob, a block of it, or the list of its blocks.", [*of_blob, comp, block], [201]),
                [400, 403, 404, 409, 413, 429],
                requestBody=data,
            ),
        },
    }


def _status_paths() -> Json:
    def get(summary: str, media_type: str, schema: Json, refusals: tuple[int, ...]) -> Json:
        found = {"200": {"description": summary, "content": {media_type: {"schema": schema}}}}
        refused = _responses(200, (), None)
        return {"get": {"summary": summary, "responses": found | {str(code): refused[str(code)] for code in refusals}}}

    return {
        "/healthz": get("That the server answers.", "application/json", ANYTHING, (429,)),
        "/openapi.json": get("This description.", "application/json", ANYTHING, (429,)),
        "/status.json": get("The queue, what runs, and what has ended.", "application/json", ANYTHING, (401, 429)),
        "/metrics": get("Figures for Prometheus.", "text/plain", TEXT, (401, 429)),
    }
