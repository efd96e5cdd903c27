"""AWS's own word on usage, asked from AWS: report files in S3, token metrics in CloudWatch. Blocks: thread only."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# botocore ships no types; what comes out of it is cast at once.

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from llm_gateway.backends.bedrock.aws_session import AwsSession
from llm_gateway.backends.bedrock.credentials import AccessWish, NoAccess
from llm_gateway.domain.errors import ConfigurationError

_CONFIG = Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 4, "mode": "standard"})
_METRICS = (
    *("InputTokenCount", "OutputTokenCount", "CacheReadInputTokens", "CacheReadInputTokenCount"),
    *("CacheWriteInputTokens", "CacheWriteInputTokenCount"),
)
_MOST_QUERIES = 500


def read_s3(
    wish: AccessWish, place: str, endings: tuple[str, ...], endpoint_url: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each object below ``s3://bucket/prefix`` with one of the endings.

    Raises:
        ConfigurationError: AWS refuses, or cannot be reached.
    """
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    try:
        client = _client("s3", wish, endpoint_url)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in cast("Mapping[str, Any]", page).get("Contents", ()):
                key: str = found["Key"]
                if key.endswith(endings):
                    yield f"s3://{bucket}/{key}", client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError, NoAccess) as fault:
        raise ConfigurationError(f"{place}: {fault} (s3:ListBucket and s3:GetObject are needed)") from fault


def ask_cloudwatch(wish: AccessWish, since: date, until: date, endpoint_url: str | None = None) -> str:
    """Bedrock's token metrics by model and day, in the form of ``aws cloudwatch get-metric-data``.

    Raises:
        ConfigurationError: AWS refuses, or cannot be reached.
    """
    try:
        client = _client("cloudwatch", wish, endpoint_url)
        queries = [
            {
                "Id": f"q{number}",
                "Label": f"{model} {metric}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Bedrock",
                        "MetricName": metric,
                        "Dimensions": [{"Name": "ModelId", "Value": model}],
                    },
                    "Period": 86_400,
                    "Stat": "Sum",
                },
            }
            for number, (model, metric) in enumerate(sorted(_series(client)))
        ]
        start = datetime.combine(since, time(), UTC)
        end = datetime.combine(until + timedelta(days=1), time(), UTC)
        results: list[dict[str, Any]] = []
        for first in range(0, len(queries), _MOST_QUERIES):
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries[first : first + _MOST_QUERIES], StartTime=start, EndTime=end
            )
            for page in pages:
                results += cast("Mapping[str, Any]", page).get("MetricDataResults", ())
    except (BotoCoreError, ClientError, NoAccess) as fault:
        raise ConfigurationError(
            f"CloudWatch: {fault} (cloudwatch:ListMetrics and cloudwatch:GetMetricData are needed)"
        ) from fault
    return json.dumps({"MetricDataResults": results}, default=str)


def _series(client: Any) -> set[tuple[str, str]]:
    """Models and metrics that have ever been written with the model alone."""
    found: set[tuple[str, str]] = set()
    for metric in _METRICS:
        for page in client.get_paginator("list_metrics").paginate(Namespace="AWS/Bedrock", MetricName=metric):
            for each in cast("Mapping[str, Any]", page).get("Metrics", ()):
                dimensions = each.get("Dimensions", ())
                if len(dimensions) == 1 and dimensions[0]["Name"] == "ModelId":
                    found.add((dimensions[0]["Value"], metric))
    return found


def _client(service: str, wish: AccessWish, endpoint_url: str | None) -> Any:
    identity = AwsSession(wish).identity()
    return botocore.session.Session(profile=wish.profile).create_client(
        service,
        region_name=wish.region,
        endpoint_url=endpoint_url,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token,
        config=_CONFIG,
    )
