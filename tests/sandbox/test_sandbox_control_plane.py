"""The control plane lists models and profiles; InvokeModel embeds."""

import json
import math

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def control(sandbox, aws_at):
    return aws_at(sandbox.url, "bedrock")


async def test_models_are_listed_as_boto3_wants_them(control):
    models = (await control.call("list_foundation_models"))["modelSummaries"]
    nova = next(model for model in models if model["modelId"] == "amazon.nova-pro-v1:0")
    assert nova["modelLifecycle"]["status"] == "ACTIVE" and "IMAGE" in nova["inputModalities"]
    assert nova["modelArn"].endswith("foundation-model/amazon.nova-pro-v1:0")
    assert all(1 <= len(model["modelName"]) <= 20 for model in models)


async def test_models_are_filtered(control):
    embedding = (await control.call("list_foundation_models", byOutputModality="EMBEDDING"))["modelSummaries"]
    anthropic = (await control.call("list_foundation_models", byProvider="Anthropic"))["modelSummaries"]
    assert embedding and all("embed" in model["modelId"] for model in embedding)
    assert anthropic and all(model["modelId"].startswith("anthropic.") for model in anthropic)


async def test_one_model_is_told(control):
    told = await control.call("get_foundation_model", modelIdentifier="amazon.nova-lite-v1:0")
    assert told["modelDetails"]["modelId"] == "amazon.nova-lite-v1:0"
    with pytest.raises(ClientError, match="identifier is invalid"):
        await control.call("get_foundation_model", modelIdentifier="amazon.nothing")


async def test_profiles_are_listed_page_by_page(control):
    every = (await control.call("list_inference_profiles"))["inferenceProfileSummaries"]
    first = await control.call("list_inference_profiles", maxResults=3)
    second = await control.call("list_inference_profiles", maxResults=3, nextToken=first["nextToken"])
    assert first["inferenceProfileSummaries"] + second["inferenceProfileSummaries"] == every[:6]
    assert "us.amazon.nova-pro-v1:0" in [profile["inferenceProfileId"] for profile in every]
    own = await control.call("list_inference_profiles", typeEquals="APPLICATION")
    assert own["inferenceProfileSummaries"] == []
    with pytest.raises(ClientError, match="maxResults"):
        await control.call("list_inference_profiles", maxResults=5000)


async def test_a_profile_names_its_model(control):
    hidden = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
    for given, model in (("us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"), (hidden, "amazon.nova-lite-v1:0")):
        told = await control.call("get_inference_profile", inferenceProfileIdentifier=given)
        assert told["models"][0]["modelArn"].endswith(model)
    with pytest.raises(ClientError, match="not found"):
        await control.call("get_inference_profile", inferenceProfileIdentifier="us.amazon.nothing")


async def test_the_control_plane_wants_a_credential(sandbox, wire, aws_at):
    status, _ = await wire.page("GET", "/foundation-models")
    assert status == 403
    with pytest.raises(ClientError, match="expired"):
        await aws_at(sandbox.url, "bedrock", "EXPIRED1").call("list_foundation_models")


async def embed(aws, model, **body):
    answer = await aws.call("invoke_model", modelId=model, body=json.dumps(body))
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize(
    ("model", "more", "size"),
    [
        ("amazon.titan-embed-text-v1", {}, 1536),
        ("amazon.titan-embed-text-v2:0", {}, 1024),
        ("amazon.titan-embed-text-v2:0", {"dimensions": 256, "embeddingTypes": ["float"]}, 256),
    ],
)
async def test_titan_embeds_deterministically(aws, model, more, size):
    first, headers = await embed(aws, model, inputText="Hello", **more)
    again, _ = await embed(aws, model, inputText="Hello", **more)
    other, _ = await embed(aws, model, inputText="Bye", **more)
    assert first == again and first["embedding"] != other["embedding"] and len(first["embedding"]) == size
    assert math.isclose(math.hypot(*first["embedding"]), 1, abs_tol=1e-4)
    assert headers["x-amzn-bedrock-input-token-count"] == str(first["inputTextTokenCount"]) == "2"
    assert ("embeddingsByType" in first) == bool(more)


async def test_cohere_embeds_many(aws):
    plain, _ = await embed(aws, "cohere.embed-english-v3", texts=["a", "b"], input_type="search_query")
    typed, _ = await embed(
        aws, "cohere.embed-english-v3", texts=["a"], input_type="search_query", embedding_types=["float"]
    )
    assert [len(vector) for vector in plain["embeddings"]] == [1024, 1024]
    assert typed["embeddings"]["float"] == plain["embeddings"][:1]


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        ("amazon.titan-embed-text-v1", {}, "inputText"),
        ("amazon.titan-embed-text-v2:0", {"inputText": "x", "dimensions": 7}, "7 is not a valid enum value"),
        ("cohere.embed-english-v3", {"texts": [], "input_type": "x"}, "1 to 96 items"),
        ("cohere.embed-english-v3", {"texts": ["x"]}, "input_type"),
        ("amazon.nova-pro-v1:0", {}, "embeddings only"),
    ],
)
async def test_a_bad_embedding_request_is_refused(aws, model, body, words):
    with pytest.raises(ClientError, match=words):
        await embed(aws, model, **body)


async def test_invoke_model_does_not_stream(aws):
    with pytest.raises(ClientError, match="use ConverseStream"):
        await aws.call("invoke_model_with_response_stream", modelId="amazon.nova-pro-v1:0", body=b"{}")
