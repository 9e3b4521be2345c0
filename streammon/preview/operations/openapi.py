"""OpenAPI 3.1 description of the HTTP routes; a test compares the description with the routes.

Schemas of the evidence are made of the dataclasses of the responses, descriptions included.
"""

from typing import Any

from pydantic import TypeAdapter

from streammon import __version__
from streammon.config import attribute_descriptions
from streammon.preview.board import EventList, ShownEvent
from streammon.preview.streams import STREAMS
from streammon.records import CameraState, Channel, EventCounts

Operation = dict[str, Any]

_TEXT = {"type": "string"}
_CAMERA = {"name": "camera", "in": "path", "required": True, "schema": _TEXT}
_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_STREAM = {"name": "stream", "in": "query", "schema": {"type": "string", "enum": list(STREAMS), "default": "picture"}}
_MAIN = {"name": "main", "in": "query", "schema": {"type": "integer", "enum": [0, 1], "default": 1}}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}}
_OWN_PAGE = {"name": "X-Streammon", "in": "header", "required": True, "schema": {"type": "string", "const": "1"}}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
_SDP = {"application/sdp": {"schema": _TEXT}}
_OBJECT = {"type": "object"}
_NUMBER, _TIME, _COUNT = {"type": "number"}, {"type": "number", "description": "Unix time"}, {"type": "integer"}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_TIME = {"type": ["number", "null"], "description": "Unix time"}
_BOXES = {"type": "array", "items": {"type": "array", "items": _COUNT, "minItems": 4, "maxItems": 4}}
_ALERT_FIELDS: dict[str, Operation] = {
    "id": _TEXT,
    "camera": _TEXT,
    "scene": _TEXT,
    "open": {"type": "boolean"},
    "opened_s": _TIME,
    "time_s": _TIME,
    "closed_s": _MAYBE_TIME,
    "level": _NUMBER,
    "peak_level": _NUMBER,
    "channel": _TEXT | {"enum": list(Channel), "description": "channel that contributes most to the peak score"},
    "reason": _TEXT | {"enum": [each.reason for each in Channel], "description": "the channel in words"},
    "basis_s": _NUMBER | {"description": "seconds of normal footage behind peak_level; 0 if unknown"},
    "provisional": {"type": "boolean", "description": "the configured rate is rarer than once in basis_s"},
    "size": {
        "type": ["array", "null"],
        "items": _COUNT,
        "description": "width and height of the stream that is scored",
    },
    "boxes": _BOXES | {"description": "x, y, width, height of each abnormal region at the alert's peak"},
    "boxes_now": _BOXES | {"description": "the same for the latest frame; empty once the alert is closed"},
    "pictures": _COUNT | {"description": "version of the alert's pictures; 0 while there are none"},
    "acknowledged_s": _MAYBE_TIME,
    "acknowledged_by": _MAYBE_TEXT | {"description": "user who acknowledged; empty where nobody logs in"},
    "frames": _COUNT | {"description": "frames in memory, which the verdict normal saves as normal footage"},
    "verdict": {
        "type": ["string", "null"],
        "enum": ["normal", "real", None],
        "description": "latest verdict of a person",
    },
    "judged_s": _MAYBE_TIME,
    "judged_by": _MAYBE_TEXT | {"description": "user of the verdict; empty where nobody logs in"},
    "normal_frames": {
        "type": ["integer", "null"],
        "description": "frames saved by the verdict normal; null for a clip",
    },
}
_ALERT = {"$ref": "#/components/schemas/Alert"}
_ALERTS = {"type": "object", "required": ["alerts"], "properties": {"alerts": {"type": "array", "items": _ALERT}}}
_CAMERA_FIELDS: dict[str, Operation] = {
    "name": _TEXT,
    "state": {"type": "string", "enum": list(CameraState)},
    "level": _MAYBE_NUMBER | {"description": "of the newest scored frame"},
    "basis_s": _MAYBE_NUMBER | {"description": "seconds of normal footage behind the level; 0 if unknown"},
    "main_fault": _TEXT | {"description": "why viewers see the sub-stream in place of the main stream, or empty"},
    "fps_planned": _NUMBER | {"description": "most frames scored a second; below score_fps under overload"},
    "looks_only": {"type": "boolean", "description": "scored by looks alone, under overload"},
}
_CAMERAS = {
    "type": "object",
    "required": ["cameras", "asked_s"],
    "properties": {
        "cameras": {
            "type": "array",
            "items": {"type": "object", "required": list(_CAMERA_FIELDS), "properties": _CAMERA_FIELDS},
        },
        "asked_s": _NUMBER | {"description": "seconds per false alarm at the configured rate"},
    },
}
_EVENT_FILTERS = [
    {"name": name, "in": "query", "schema": schema}
    for name, schema in {
        "camera": _TEXT,
        "channel": _TEXT | {"enum": list(Channel)},
        "day": _TEXT | {"format": "date", "description": "a day in the server's time zone"},
        "since": _TIME,
        "until": _TIME,
        "verdict": _TEXT | {"enum": ["normal", "real", "none"]},
        "open": {"type": "boolean"},
        "acknowledged": {"type": "boolean"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        "before": _TEXT | {"description": "`next` of the answer that these events follow"},
    }.items()
]
_LOG_IN = {
    "oneOf": [
        {"type": "object", "required": ["user", "password"], "properties": {"user": _TEXT, "password": _TEXT}},
        {"type": "object", "required": ["token"], "properties": {"token": _TEXT}},
    ]
}


def describe() -> dict[str, Any]:
    """The whole description; an empty `security` marks the routes that are open to everybody."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "streammon preview", "version": __version__},
        "security": [{"bearer": []}, {"basic": []}, {"session": []}],
        "components": {
            "schemas": {
                "Alert": {"type": "object", "required": list(_ALERT_FIELDS), "properties": _ALERT_FIELDS},
                **_schemas(EventList, ShownEvent, EventCounts),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "streammon_session"},
            },
        },
        "paths": {**_page(), **_logins(), **_operations(), **_board(), **_evidence(), **_streams()},
    }


def _page() -> dict[str, Any]:
    return {
        "/": {"get": _open(_answers("the page", "text/html"))},
        "/page/{file}": {
            "get": _open(
                _answers("a file of the page", "*/*", 304, 404),
                {"name": "file", "in": "path", "required": True, "schema": _TEXT},
            )
        },
    }


def _logins() -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": _LOG_IN}}}
    return {
        "/login": {
            "get": _open(_answers("available log-in methods, and the user of the session")),
            "post": _open({"204": _response("a session's cookie"), **_errors(400, 401, 429)}) | {"requestBody": body},
        },
        "/logout": {"post": _guarded({"204": _response("the session has ended")})},
    }


def _operations() -> dict[str, Any]:
    unready = {"503": {"description": "no camera is online", "content": {"application/json": {"schema": _OBJECT}}}}
    return {
        "/healthz": {"get": _open(_answers("the event loop runs"))},
        "/readyz": {"get": _guarded(_answers("at least one camera is online") | unready)},
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
            "get": _guarded(_answers("the picture at the alert's peak", "image/jpeg", 400, 404), _ID, _STREAM)
        },
        f"{alert}/acknowledge": {
            "post": _guarded(_gives(_ALERT, "the acknowledged alert", 403, 404, 507), _ID, _OWN_PAGE)
        },
        f"{alert}/normal": {
            "post": _guarded(
                _gives(_ALERT, "the alert, kept as normal footage", 403, 404, 409, 507),
                _ID,
                _OWN_PAGE,
            )
        },
        f"{alert}/real": {
            "post": _guarded(_gives(_ALERT, "the alert, removed from normal footage", 403, 404, 507), _ID, _OWN_PAGE)
        },
        f"{alert}/undo": {
            "post": _guarded(
                _gives(_ALERT, "the alert without its verdict, or else unacknowledged", 403, 404, 507), _ID, _OWN_PAGE
            )
        },
    }


def _evidence() -> dict[str, Any]:
    event, no_file = "/api/evidence/{id}", (404, 500)
    part = {"name": "part", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    side_car = _answers("scores and boxes over time, described in events/README.md", "application/json", *no_file)
    clip = _answers("one file of the clip", "video/mp4", *no_file)
    partial = {"206": _response("the asked range of its bytes"), "416": _response("no such range")}
    events = _gives(_schema_of(EventList), "alerts whose evidence is kept, the newest first", 400, *no_file)
    return {
        "/api/evidence": {"get": _guarded(events, *_EVENT_FILTERS)},
        event: {"get": _guarded(_gives(_schema_of(ShownEvent), "one of them", *no_file), _ID)},
        f"{event}/side-car": {"get": _guarded(side_car, _ID)},
        f"{event}/clip/{{part}}": {"get": _guarded(clip | partial, _ID, part)},
        f"{event}/snapshot.jpg": {"get": _guarded(_answers("picture at the peak", "image/jpeg", *no_file), _ID)},
        f"{event}/heatmap.png": {"get": _guarded(_answers("heatmap at the peak", "image/png", *no_file), _ID)},
    }


def _streams() -> dict[str, Any]:
    answer = {"201": {"description": "the SDP answer; Location is the URL of the session", "content": _SDP}}
    offer = {"requestBody": {"required": True, "content": _SDP}}
    ended = {"200": _response("the session has ended"), **_errors(404)}
    allowed = {"204": _response("allowed methods and headers")}
    return {
        "/whep/{camera}": {
            "post": _guarded(answer | _errors(400, 404, 406, 408, 413, 415, 503), _CAMERA, _STREAM, _MAIN) | offer,
            "options": _guarded(allowed, _CAMERA),
        },
        "/whep/session/{id}": {
            "delete": _guarded(ended, _ID),
            "patch": _guarded(_errors(404, 405), _ID),
            "options": _guarded(allowed, _ID),
        },
        "/snapshot/{camera}.jpg": {
            "get": _guarded(_answers("one picture", "image/jpeg", 404, 503), _CAMERA, _STREAM)
        },
        "/mjpeg/{camera}": {
            "get": _guarded(
                _answers("picture after picture", "multipart/x-mixed-replace", 404, 503), _CAMERA, _STREAM, _MAIN
            )
        },
    }


def _schemas(*models: type) -> dict[str, Any]:
    """JSON schemas of dataclasses, by name, with the descriptions of their docstrings."""
    found: dict[str, Any] = {}
    for model in models:
        schema = TypeAdapter(model).json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        for name, description in attribute_descriptions(model).items():
            schema["properties"][name]["description"] = description
        found[model.__name__] = schema
    return found


def _schema_of(model: type) -> Operation:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _guarded(responses: Operation, *parameters: Operation) -> Operation:
    return {"parameters": list(parameters), "responses": {**responses, **_errors(401, 429)}}


def _open(responses: Operation, *parameters: Operation) -> Operation:
    return {"security": [], "parameters": list(parameters), "responses": responses}


def _gives(schema: Operation, what: str, *errors: int) -> Operation:
    content = {"application/json": {"schema": schema}}
    return {"200": {"description": what, "content": content}, **_errors(*errors)}


def _answers(what: str, content_type: str = "application/json", *errors: int) -> Operation:
    schema = _OBJECT if content_type == "application/json" else _TEXT
    return {"200": {"description": what, "content": {content_type: {"schema": schema}}}, **_errors(*errors)}


def _errors(*statuses: int) -> Operation:
    body = {"content": {"application/json": {"schema": _ERROR}}}
    return {str(status): _response("refused") | body for status in statuses}


def _response(what: str) -> Operation:
    return {"description": what}
