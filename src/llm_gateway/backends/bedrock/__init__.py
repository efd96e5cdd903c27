"""Amazon Bedrock over its own wire. The only room that knows botocore."""
