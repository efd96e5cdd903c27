"""The IAM policy that suffices: models and profiles, whole and streamed answers, counting, and the account's lists.

A profile is allowed only together with the foundation models in every region behind it, hence the wildcards; a
``global.`` call is checked against a foundation-model ARN without a region.
"""

import json

_ASKING = (
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "bedrock:CountTokens",
)
_LOOKING = ("bedrock:ListFoundationModels", "bedrock:ListInferenceProfiles", "bedrock:GetInferenceProfile")
_MODELS = (
    "arn:aws:bedrock:*::foundation-model/*",
    "arn:aws:bedrock:::foundation-model/*",
    "arn:aws:bedrock:*:*:inference-profile/*",
    "arn:aws:bedrock:*:*:application-inference-profile/*",
)


def iam_policy() -> str:
    """The policy as JSON text."""
    statements = [
        {"Sid": "AskModels", "Effect": "Allow", "Action": list(_ASKING), "Resource": list(_MODELS)},
        {"Sid": "ListModels", "Effect": "Allow", "Action": list(_LOOKING), "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
