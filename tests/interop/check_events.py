"""Deliveries and events, as libraries that are not ours see them.

One case a line of JSON on standard input; a verdict a line on standard output.

    {"kind": "webhook", "headers": {..}, "body": base64, "public": "whpk_..", "secret": "whsec_.."}
    {"kind": "event", "json": text}

A webhook is verified twice: by the reference library of Standard Webhooks, which checks the time and
knows the scheme `v1` only, and for `v1a`, which it does not know, by the Ed25519 of `cryptography`,
over what the reference library says is signed. Its body, like an event, is then read by the SDK of
CloudEvents, and what that found is told after "accepted".
"""

import base64
import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook


def found(event):
    """What the SDK says of an event, after its own checks of every attribute."""
    attributes = event.get_attributes()
    names = ("id", "source", "type", "subject", "sequence", "position", "partitionkey", "leafhash", "office")
    told = {name: attributes.get(name) for name in names}
    told["time"] = event.get_time().isoformat()
    told["specversion"] = event.get_specversion()
    told["data"] = event.get_data()
    return told


def verified_by_ed25519(headers, body, public):
    assert public.startswith("whpk_"), "no public key"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_"), validate=True))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    errors = []
    for signature in headers["webhook-signature"].split(" "):
        version, _, value = signature.partition(",")
        if version != "v1a":
            continue
        try:
            key.verify(base64.b64decode(value, validate=True), signed)
            return
        except Exception as error:  # of another key, while keys are replaced
            errors.append(error)
    raise errors[-1] if errors else ValueError("no v1a signature")


def webhook(case):
    headers, body = case["headers"], base64.b64decode(case["body"])
    Webhook(case["secret"]).verify(body, headers)
    verified_by_ed25519(headers, body, case["public"])
    return found(from_http_event(HTTPMessage(headers=headers, body=body)))


def event(case):
    return found(JSONFormat().read(None, case["json"]))


for line in sys.stdin:
    case = json.loads(line)
    try:
        print("accepted", json.dumps({"webhook": webhook, "event": event}[case["kind"]](case)))
    except Exception as refusal:  # each library has exceptions of its own
        print("refused:", type(refusal).__name__, " ".join(str(refusal).split()))
