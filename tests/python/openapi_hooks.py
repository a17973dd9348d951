"""What schemathesis cannot know of the API: bodies of types that only resumable uploads have, objects
and uploads that are there to be asked for, and which parameters exclude each other. Every other
request is put right in this way; the rest is as schemathesis made it up."""

import collections
import itertools

import requests
import schemathesis

KEY = "there/a file.txt"
TUS = {"Tus-Resumable": "1.0.0"}
ACTIONS = [("copy_to", "copy {}"), ("share", ""), ("restore", "none such"), ("move_to", "moved {}")]
# Of each operation its own: two are asked at once, and what is put right must not hang on which is faster.
turns = collections.defaultdict(itertools.count)


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def as_bytes(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.deserializer("application/zip")
def as_text(context, response):
    return response.content.decode("latin-1")


def creation(tus):
    """The head of a request that begins an upload."""
    if tus:
        return TUS | {"Upload-Length": "10", "Upload-Metadata": "filename YQ=="}
    return {"Upload-Complete": "?0", "Content-Disposition": 'attachment; filename="b"'}


def set_head(case, fields):
    """Keeps of a head what is not about an upload."""
    for name in list(case.headers):
        if name.lower().startswith(("upload-", "tus-", "content-", "repr-", "if-")):
            del case.headers[name]
    case.headers.update(fields)


def set_body(case, media_type, body):
    case.media_type, case.body = media_type, body
    case.headers["Content-Type"] = media_type


@schemathesis.hook
def before_call(context, case, kwargs):
    path, method = case.operation.path, case.method.upper()
    turn = next(turns[path, method])
    if turn % 2:
        return
    base, tus, right = case.operation.schema.config.base_url.rstrip("/"), turn % 4 == 0, turn % 8 < 4
    for name in ("expires", "signature"):
        case.query.pop(name, None)
    if path == "/files/{key}":
        # Of each method its own: another's DELETE must not come between.
        key = f"{KEY} of {method}"
        requests.put(f"{base}/files/{key}", data=b"0123456789", timeout=60).raise_for_status()
        case.path_parameters["key"] = key
        if method == "POST" and right:
            action, value = ACTIONS[turn // 8 % len(ACTIONS)]
            case.query = {action: value.format(turn)}
            set_head(case, {})
    elif path == "/upload" and right:
        case.query = {}
        set_body(case, "multipart/form-data", {"prefix": "in", "file": [b"one", b"two"]})
        del case.headers["Content-Type"]
    elif path == "/uploads" and method == "POST" and right:
        case.query = {}
        set_head(case, creation(tus))
        if tus:
            set_body(case, "application/offset+octet-stream", b"01234")
        elif turn % 16 < 8:
            case.headers["Upload-Complete"] = "?1"
            set_body(case, "application/octet-stream", b"all")
    elif path == "/uploads/{id}":
        begun = requests.post(f"{base}/uploads", headers=creation(tus), timeout=60)
        begun.raise_for_status()
        case.path_parameters["id"] = begun.headers["Location"].rsplit("/", 1)[1]
        if right:
            set_head(case, {"Upload-Offset": "0"} | (TUS if tus else {"Upload-Complete": "?1"}))
            if method == "PATCH":
                kind = "offset+octet-stream" if tus else "partial-upload"
                set_body(case, f"application/{kind}", b"0123456789")
