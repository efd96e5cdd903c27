"""``llm-gateway doctor``: looks at everything between here and an answer, and says what to mend."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from llm_gateway.app import access_wish, create_app
from llm_gateway.domain.content import Message, Text
from llm_gateway.domain.errors import BackendRefused, ConfigurationError, GatewayError
from llm_gateway.domain.requests import GenerateRequest
from llm_gateway.iam_policy import iam_policy
from llm_gateway.route_desk import read_file
from llm_gateway.settings import Settings
from llm_gateway.telemetry.logs import configure_logs

_MARKS = {True: "ok  ", False: "FAIL", None: "note"}
_DENIED_WORDS = ("not authorized", "denied", "permission")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``good`` is ``None`` where it is worth knowing but stops nothing."""

    subject: str
    good: bool | None
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--model", default="nova-micro", help="model to ask one question (nova-micro)")
    parser.add_argument("--no-ask", action="store_true", help="ask no model: spends nothing")
    parser.add_argument("--policy", action="store_true", help="print the IAM policy that suffices, and nothing else")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """0 when a model can be asked, 1 when something has to be mended first."""
    if args.policy:
        sys.stdout.write(iam_policy() + "\n")
        return 0
    configure_logs(level="CRITICAL")
    findings = asyncio.run(examine(settings, None if args.no_ask else args.model, _show))
    failed = [finding for finding in findings if finding.good is False]
    if any(word in finding.said.lower() for finding in failed for word in _DENIED_WORDS):
        sys.stdout.write("\nThis IAM policy suffices:\n\n" + iam_policy() + "\n")
    sys.stdout.write("\nEverything is fine.\n" if not failed else f"\n{len(failed)} to mend, see FAIL above.\n")
    return 1 if failed else 0


def _show(finding: Finding) -> None:
    sys.stdout.write(f"{_MARKS[finding.good]}  {finding.subject:<12}  {finding.said}\n")
    sys.stdout.flush()


async def examine(settings: Settings, model: str | None, tell: Callable[[Finding], None]) -> list[Finding]:
    """Looks at one thing after the other, telling each as it is found; asks ``model`` at the end unless ``None``."""
    findings: list[Finding] = []

    def found(subject: str, good: bool | None, said: str) -> bool:
        findings.append(Finding(subject, good, said))
        tell(findings[-1])
        return good is not False

    found("region", True, settings.aws_region)
    if settings.aws_endpoint_url_bedrock_runtime:
        found("endpoint", None, f"{settings.aws_endpoint_url_bedrock_runtime} instead of AWS's own")
    is_sound = _gateway_file(settings, found)
    if await _credentials(settings, found):
        await _account(settings, found)
        if model is not None and is_sound:
            await _question(settings, model, found)
    return findings


Found = Callable[[str, bool | None, str], bool]


def _gateway_file(settings: Settings, found: Found) -> bool:
    if settings.gateway_file is None:
        return True
    try:
        table = read_file(settings).table
    except ConfigurationError as wrong:
        return found("routes", False, str(wrong))
    targets = sum(len(route.targets) for route in table.routes.values())
    return found("routes", True, f"{len(table.routes)} with {targets} targets, from {settings.gateway_file}")


async def _credentials(settings: Settings, found: Found) -> bool:
    from llm_gateway.backends.bedrock.credentials import AccessKeeper, NoAccess
    from llm_gateway.backends.bedrock.signer import BearerSigner

    try:
        access = await AccessKeeper(access_wish(settings)).access()
    except NoAccess as missing:
        return found("credentials", False, str(missing))
    kind = "a Bedrock API key" if isinstance(access.signer, BearerSigner) else "AWS credentials"
    return found("credentials", True, f"{kind}, for {access.endpoint}")


async def _account(settings: Settings, found: Found) -> None:
    """The lists are a help, not a need: without them the gateway still answers."""
    from llm_gateway.backends.bedrock.account import AccountUnreadable, read_account

    if settings.aws_endpoint_url_bedrock_runtime and not settings.aws_endpoint_url_bedrock:
        found("account", None, "its lists were not read: AWS_ENDPOINT_URL_BEDROCK is not set beside the runtime's")
        return
    try:
        account = await read_account(
            settings.aws_region,
            wish=replace(access_wish(settings), endpoint_url=None),
            endpoint_url=settings.aws_endpoint_url_bedrock,
        )
    except AccountUnreadable as reason:
        found("account", None, f"its lists of models cannot be read (not needed to ask models): {reason}")
        return
    found("account", True, f"{len(account.models)} models and {len(account.profiles)} inference profiles")


async def _question(settings: Settings, model: str, found: Found) -> None:
    gateway = create_app(settings).gateway
    request = GenerateRequest(
        model=model, messages=(Message("user", (Text("Say yes."),)),), max_tokens=5, cache="bypass"
    )
    try:
        answer = await gateway.generate(request, request_id="req_doctor")
    except BackendRefused as refused:
        found("model", False, f"{model}: {refused.message}")
    except GatewayError as error:
        found("model", False, f"{model}: {error.message} ({error.code})")
    else:
        cost = "an unknown price" if answer.cost_nano_usd is None else f"${answer.cost_nano_usd / 1e9:.7f}"
        found("model", True, f"{answer.model} answered as {answer.model_id} in {answer.latency_ms:.0f} ms for {cost}")
    finally:
        await gateway.aclose()
