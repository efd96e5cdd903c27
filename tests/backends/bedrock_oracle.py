"""botocore as the oracle: its serializer for what we send, its parsers for what we get."""

import base64
import json
from typing import Any

import botocore.eventstream
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

_LOADER = botocore.loaders.Loader()
MODEL = botocore.model.ServiceModel(_LOADER.load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
PROTOCOL = "rest-json"
_SERIALIZER = botocore.serialize.create_serializer(PROTOCOL, include_validation=False)
_PARSER = botocore.parsers.ResponseParserFactory().create_parser(PROTOCOL)


def serialized(operation: str, model_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """url_path, method, headers and body as botocore would send the members of this JSON body."""
    shape = MODEL.operation_model(operation)
    return _SERIALIZER.serialize_to_request({"modelId": model_id, **_params(body, shape.input_shape)}, shape)


def _params(value: Any, shape: Any) -> Any:
    """JSON to botocore's parameters: base64 text to bytes where the model says blob."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        return {name: _params(part, shape.members[name]) for name, part in value.items()}
    if shape.type_name == "list":
        return [_params(part, shape.member) for part in value]
    if shape.type_name == "map":
        return {name: _params(part, shape.value) for name, part in value.items()}
    return base64.b64decode(value) if shape.type_name == "blob" else value


def whole(body: bytes) -> dict[str, Any]:
    """A whole Converse answer as botocore reads it; blobs become base64 text again."""
    shape = MODEL.operation_model("Converse").output_shape
    return jsonable(_PARSER.parse({"status_code": 200, "headers": {}, "body": body}, shape))


def stream(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream as botocore reads them."""
    shape = MODEL.operation_model("ConverseStream").output_shape.members["stream"]
    parser = botocore.parsers.EventStreamJSONParser()
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(body)
    return [jsonable(parser.parse(message.to_response_dict(), shape)) for message in buffer]


def jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda raw: base64.b64encode(raw).decode()))
