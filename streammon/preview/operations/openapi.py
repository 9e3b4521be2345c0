"""OpenAPI 3.1 description of the HTTP routes; a test compares the description with the routes."""

from typing import Any

from streammon import __version__
from streammon.preview.streams import STREAMS
from streammon.records import CameraState, Channel

Operation = dict[str, Any]

_CAMERA = {"name": "camera", "in": "path", "required": True, "schema": {"type": "string"}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_STREAM = {"name": "stream", "in": "query", "schema": {"type": "string", "enum": list(STREAMS), "default": "picture"}}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}
_OWN_PAGE = {"name": "X-Streammon", "in": "header", "required": True, "schema": {"type": "string", "const": "1"}}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_SDP = {"application/sdp": {"schema": {"type": "string"}}}
_OBJECT = {"type": "object"}
_NUMBER, _TIME, _COUNT = {"type": "number"}, {"type": "number", "description": "Unix time"}, {"type": "integer"}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_MAYBE_TIME = {"type": ["number", "null"], "description": "Unix time"}
_BOXES = {"type": "array", "items": {"type": "array", "items": _COUNT, "minItems": 4, "maxItems": 4}}
_ALERT_FIELDS: dict[str, Operation] = {
    "id": {"type": "string"},
    "camera": {"type": "string"},
    "scene": {"type": "string"},
    "open": {"type": "boolean"},
    "opened_s": _TIME,
    "time_s": _TIME,
    "closed_s": _MAYBE_TIME,
    "level": _NUMBER,
    "peak_level": _NUMBER,
    "channel": {"type": "string", "enum": list(Channel), "description": "the evidence that spoke loudest so far"},
    "reason": {"type": "string", "enum": [each.reason for each in Channel], "description": "the channel in words"},
    "basis_s": _NUMBER | {"description": "seconds of normal footage that peak_level rests on; 0 where unknown"},
    "provisional": {"type": "boolean", "description": "the configured rate is rarer than once in basis_s"},
    "size": {"type": ["array", "null"], "items": _COUNT, "description": "width and height of the camera's picture"},
    "boxes": _BOXES | {"description": "x, y, width, height of each abnormal region at its peak"},
    "boxes_now": _BOXES | {"description": "the same now; empty once it is closed"},
    "pictures": _COUNT | {"description": "version of its pictures; 0 while there are none"},
    "acknowledged_s": _MAYBE_TIME,
    "frames": _COUNT | {"description": "frames kept, in case it is called normal"},
    "verdict": {"type": ["string", "null"], "enum": ["normal", "real", None], "description": "what somebody said"},
    "normal_frames": {"type": ["integer", "null"], "description": "frames kept as normal footage"},
}
_ALERT = {"$ref": "#/components/schemas/Alert"}
_ALERTS = {"type": "object", "required": ["alerts"], "properties": {"alerts": {"type": "array", "items": _ALERT}}}
_CAMERA_FIELDS: dict[str, Operation] = {
    "name": {"type": "string"},
    "state": {"type": "string", "enum": list(CameraState)},
    "level": _MAYBE_NUMBER | {"description": "of the newest scored frame"},
    "basis_s": _MAYBE_NUMBER | {"description": "seconds of normal footage that its level rests on; 0 where unknown"},
}
_CAMERAS = {
    "type": "object",
    "required": ["cameras", "asked_s"],
    "properties": {
        "cameras": {
            "type": "array",
            "items": {"type": "object", "required": list(_CAMERA_FIELDS), "properties": _CAMERA_FIELDS},
        },
        "asked_s": _NUMBER | {"description": "one false alarm in so many seconds is asked for"},
    },
}
_LOG_IN = {
    "oneOf": [
        {
            "type": "object",
            "required": ["user", "password"],
            "properties": {"user": {"type": "string"}, "password": {"type": "string"}},
        },
        {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}},
    ]
}


def describe() -> dict[str, Any]:
    """The whole description; an empty `security` marks the routes that are open to everybody."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "streammon preview", "version": __version__},
        "security": [{"bearer": []}, {"basic": []}, {"session": []}],
        "components": {
            "schemas": {"Alert": {"type": "object", "required": list(_ALERT_FIELDS), "properties": _ALERT_FIELDS}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "streammon_session"},
            },
        },
        "paths": {**_page(), **_logins(), **_operations(), **_board(), **_streams()},
    }


def _page() -> dict[str, Any]:
    return {
        "/": {"get": _open(_answers("the page", "text/html"))},
        "/page/{file}": {
            "get": _open(
                _answers("a file of the page", "*/*", 304, 404),
                {"name": "file", "in": "path", "required": True, "schema": {"type": "string"}},
            )
        },
    }


def _logins() -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": _LOG_IN}}}
    return {
        "/login": {
            "get": _open(_answers("how one logs in, and who is")),
            "post": _open({"204": _said("a session's cookie"), **_errors(400, 401, 429)}) | {"requestBody": body},
        },
        "/logout": {"post": _guarded({"204": _said("the session is over")})},
    }


def _operations() -> dict[str, Any]:
    unready = {"503": {"description": "none is", "content": {"application/json": {"schema": _OBJECT}}}}
    return {
        "/healthz": {"get": _open(_answers("it is alive"))},
        "/readyz": {"get": _guarded(_answers("at least one camera is watched") | unready)},
        "/metrics": {"get": _guarded(_answers("Prometheus metrics", "text/plain"))},
        "/api/openapi.json": {"get": _guarded(_answers("this description"))},
    }


def _board() -> dict[str, Any]:
    alert = "/api/alerts/{id}"
    return {
        "/api/events": {"get": _guarded(_answers("all changes, as server-sent events", "text/event-stream", 503))},
        "/api/cameras": {"get": _guarded(_gives(_CAMERAS, "cameras, states, scores of the last minutes"))},
        "/api/alerts": {"get": _guarded(_gives(_ALERTS, "the newest alerts", 400), _LIMIT)},
        f"{alert}/picture.jpg": {
            "get": _guarded(_answers("the picture at its peak", "image/jpeg", 400, 404), _ID, _STREAM)
        },
        f"{alert}/acknowledge": {"post": _guarded(_gives(_ALERT, "it is seen", 403, 404), _ID, _OWN_PAGE)},
        f"{alert}/normal": {
            "post": _guarded(
                _gives(_ALERT, "its frames are kept as normal footage", 403, 404, 409, 507),
                _ID,
                _OWN_PAGE,
            )
        },
        f"{alert}/real": {
            "post": _guarded(
                _gives(_ALERT, "it was real; its frames are no normal footage", 403, 404, 507), _ID, _OWN_PAGE
            )
        },
    }


def _streams() -> dict[str, Any]:
    answer = {"201": {"description": "an answer; Location names the session", "content": _SDP}}
    offer = {"requestBody": {"required": True, "content": _SDP}}
    gone, asked = {"200": _said("it is over"), **_errors(404)}, {"204": _said("what is allowed")}
    return {
        "/whep/{camera}": {
            "post": _guarded(answer | _errors(400, 404, 406, 408, 413, 415, 503), _CAMERA, _STREAM) | offer,
            "options": _guarded(asked, _CAMERA),
        },
        "/whep/session/{id}": {
            "delete": _guarded(gone, _ID),
            "patch": _guarded(_errors(404, 405), _ID),
            "options": _guarded(asked, _ID),
        },
        "/snapshot/{camera}.jpg": {
            "get": _guarded(_answers("one picture", "image/jpeg", 404, 503), _CAMERA, _STREAM)
        },
        "/mjpeg/{camera}": {
            "get": _guarded(
                _answers("picture after picture", "multipart/x-mixed-replace", 404, 503), _CAMERA, _STREAM
            )
        },
    }


def _guarded(responses: Operation, *parameters: Operation) -> Operation:
    return {"parameters": list(parameters), "responses": {**responses, **_errors(401, 429)}}


def _open(responses: Operation, *parameters: Operation) -> Operation:
    return {"security": [], "parameters": list(parameters), "responses": responses}


def _gives(schema: Operation, what: str, *errors: int) -> Operation:
    content = {"application/json": {"schema": schema}}
    return {"200": {"description": what, "content": content}, **_errors(*errors)}


def _answers(what: str, content_type: str = "application/json", *errors: int) -> Operation:
    schema = _OBJECT if content_type == "application/json" else {"type": "string"}
    return {"200": {"description": what, "content": {content_type: {"schema": schema}}}, **_errors(*errors)}


def _errors(*statuses: int) -> Operation:
    said = {"content": {"application/json": {"schema": _ERROR}}}
    return {str(status): _said("refused") | said for status in statuses}


def _said(what: str) -> Operation:
    return {"description": what}
