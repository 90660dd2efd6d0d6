"""Reads the spans of an OTLP request (protobuf), as far as a test looks at them."""


def fields(data):
    """Each field of a message as (number, value); what has a length as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at : at + size], at + size
        if at > len(data):
            raise ValueError("the message ends too early")
        yield key >> 3, value


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def inner(data, number):
    return (value for key, value in fields(data) if key == number)


def spans(request):
    """The spans of an ExportTraceServiceRequest, as {trace_id, span_id, parent, name}."""
    found = []
    for resource in inner(request, 1):
        for scope in inner(resource, 2):
            for span in inner(scope, 2):
                parts = dict(fields(span))
                found.append({
                    "trace_id": parts[1].hex(),
                    "span_id": parts[2].hex(),
                    "parent": parts.get(4, b"").hex(),
                    "name": parts[5].decode(),
                })
    return found
