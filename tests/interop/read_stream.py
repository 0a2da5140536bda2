"""Reads a stream of JetStream with the official client, from its beginning.

    read_stream.py URL STREAM SUBJECT COUNT

Prints a line of JSON for each message, in the order of the stream, and ends after COUNT of them.
"""

import asyncio
import json
import sys

import nats
from cloudevents.core.formats.json import JSONFormat

url, stream, subject, count = sys.argv[1:]


async def main():
    client = await nats.connect(url, max_reconnect_attempts=3)
    consumer = await client.jetstream().subscribe(subject, stream=stream, ordered_consumer=True)
    for _ in range(int(count)):
        message = await consumer.next_msg(timeout=30)
        attributes = JSONFormat().read(None, message.data).get_attributes()
        told = {
            "sequence": message.metadata.sequence.stream,
            "subject": message.subject,
            "message_id": message.headers["Nats-Msg-Id"],
            "content_type": message.headers["content-type"],
            "position": attributes["position"],
            "leafhash": attributes["leafhash"],
        }
        print(json.dumps(told), flush=True)
    await client.close()


asyncio.run(main())
