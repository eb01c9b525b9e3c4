"""openapi_hooks.py - what schemathesis makes up, with a picture that can be read, and in sizes that are soon done."""
import base64
import os

import schemathesis

with open(os.path.join(os.environ["GM_TEST_DATA"], "world/scenes/images/064.jpg"), "rb") as file:
    PICTURE = base64.b64encode(file.read()).decode()


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("image"), str):
        body["image"] = PICTURE
    for name, most in (("crops", 4), ("draws", 4), ("redraws", 2), ("max_tokens", 8), ("max_completion_tokens", 8)):
        if type(body.get(name)) is int and most < body[name] <= 1024:
            body[name] = most
    for name in ("phrases", "boxes", "regions", "classes"):
        if isinstance(body.get(name), list) and 8 < len(body[name]) <= 1024:
            body[name] = body[name][:4]
