"""``llm-gateway import litellm``: what comes out, and what is said of the rest."""

from pathlib import Path

import pytest
from file_house import Write

from llm_gateway.cli import run
from llm_gateway.domain.routes import Account, Place, Policy, Target, TargetLimits
from llm_gateway.route_desk import read_file
from llm_gateway.settings import load_settings

HERE = Path(__file__).parent
GIVEN = """\
model_list:
  - model_name: claude-primary
    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, aws_region_name: us-east-1}
    tpm: 80000
    rpm: 50
  - model_name: claude-fallback
    litellm_params: {model: bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0, aws_region_name: us-east-1}
    tpm: 80000
    rpm: 100
  - model_name: claude-fast
    litellm_params: {model: bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0, aws_region_name: us-east-1}
    tpm: 80000
    rpm: 100
router_settings:
  routing_strategy: usage-based-routing
  num_retries: 3
  retry_after: 5
  timeout: 600
  fallbacks: [{claude-primary: [claude-fallback]}]
  context_window_fallbacks: [{claude-primary: [claude-fallback]}]
  allowed_fails: 2
  cooldown_time: 60
general_settings: {master_key: os.environ/LITELLM_ADMIN_KEY, database_url: os.environ/DATABASE_URL, \
max_parallel_requests: 50, request_timeout: 600}
litellm_settings: {drop_params: true, json_logs: true, num_retries: 3}
"""


def imported(text: str, write: Write, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str, list[str]]:
    """The file that came out, its text, and what was said."""
    assert run(["import", "litellm", str(write(text, "litellm-config.yaml"))]) == 0
    out, err = capsys.readouterr()
    return write(out), out, [line.removeprefix("litellm-config.yaml: ") for line in err.splitlines()]


def test_a_whole_configuration_becomes_exactly_this_file(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, text, notes = imported(GIVEN, write, capsys)
    assert text == (HERE / "expected-litellm-gateway.yaml").read_text(encoding="utf-8")
    unwrapped = text.replace("\n#   ", " ")
    assert all(f"# - {note}\n" in unwrapped for note in notes)
    assert len(notes) == unwrapped.count("# - ")

    monkeypatch.setenv("LITELLM_ADMIN_KEY", "the-master-key")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert run(["routes", "--check", str(file)]) == 2
    assert "the environment variable DATABASE_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@host/name")
    settings = load_settings(gateway_file=file).model_copy(update={"gateway_file": file})
    assert settings.admin_api_key is not None
    assert settings.database_url is not None
    assert settings.admin_api_key.get_secret_value() == "the-master-key"
    assert settings.database_url.get_secret_value() == "postgresql://me:secret@host/name"
    assert (settings.max_concurrent_requests, settings.log_format, settings.strict_params) == (50, "json", False)
    table = read_file(settings).table
    primary, fallback, fast = [table.routes[name] for name in ("claude-primary", "claude-fallback", "claude-fast")]
    assert {route.strategy for route in table.routes.values()} == {"usage"}
    assert primary.policy == Policy(attempts=3, timeout_s=600, allowed_fails=2, cooldown_s=60)
    assert (primary.fallbacks, primary.context_fallbacks) == (("claude-fallback",), ("claude-fallback",))
    haiku = Target(model="us.anthropic.claude-haiku-4-5-20251001-v1:0", limits=TargetLimits(tpm=80_000, rpm=100))
    assert (fallback.targets, fast.targets) == ((haiku,), (haiku,))


FULL = """\
model_list:
  - model_name: sonnet
    litellm_params:
      model: bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0
      aws_region_name: us-west-2
      aws_role_name: arn:aws:iam::123456789012:role/team/bedrock
      aws_external_id: os.environ/EXTERNAL_ID
      aws_session_name: litellm
      aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
      weight: 3
      tpm: 1000
      max_parallel_requests: 7
      temperature: 0.2
      timeout: 30
      secret_thing: hush
    model_info: {id: a, base_model: x, input_cost_per_token: 0.1}
  - model_name: sonnet
    litellm_params: {model: bedrock/eu-central-1/anthropic.claude-3-haiku-20240307-v1:0, rpm: "60", tpm: many}
  - model_name: sonnet
    litellm_params:
      model: bedrock/invoke/amazon.nova-pro-v1:0
      weight: 1
      aws_role_name: arn:aws:iam::123456789012:role/team/bedrock
      aws_external_id: os.environ/EXTERNAL_ID
      aws_region_name: os.environ/REGION_HERE
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: hush}
  - model_name: "*"
    litellm_params: {model: bedrock/*}
  - model_name: ordered
    litellm_params: {model: bedrock/amazon.nova-lite-v1:0, order: 2}
  - model_name: ordered
    litellm_params: {model: bedrock/amazon.nova-micro-v1:0, order: 1}
  - model_name: profile
    litellm_params: {model: "bedrock/llama/arn:aws:bedrock:us-east-1:123456789012:imported-model/r4c4kewx2s0n"}
  - model_name: twin
    litellm_params: {model: bedrock/amazon.nova-micro-v1:0, tpm: 5}
  - model_name: twin
    litellm_params: {model: bedrock/amazon.nova-micro-v1:0, tpm: 9}
  - {model_name: bad name, litellm_params: {model: bedrock/amazon.nova-micro-v1:0}, extra: 1}
  - {model_name: lost, litellm_params: {model: bedrock/nova-por}}
  - {model_name: agent, litellm_params: {model: bedrock/agent/AAA/BBB}}
  - 7
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 0
  fallbacks: [{sonnet: [ordered, gpt-4o, nova-lite, sonnet]}, {gpt-4o: [sonnet]}, {"*": [profile]}]
  context_window_fallbacks: [{sonnet: [{model: x}]}]
  model_group_alias: {big: sonnet, small: {model: ordered, hidden: true}, none: gpt-4o, twin: sonnet}
  redis_host: os.environ/REDIS_HOST_HERE
  redis_password: "p@ss/${word"
  redis_port: 6380
  retry_policy: {TimeoutErrorRetries: 3}
  allowed_fails: 0
  default_max_parallel_requests: 9
  wholly_new: hush
general_settings:
  master_key: sk-hush
  global_max_parallel_requests: 70
  max_parallel_requests: 50
  request_timeout: 30
  alerting: [slack]
  max_request_size_mb: 2
litellm_settings:
  drop_params: false
  num_retries: 2
  cache: true
  cache_params: {type: redis-semantic, ttl: 60, similarity_threshold: 0.8}
  success_callback: [langfuse]
  default_fallbacks: [ordered]
  set_verbose: true
environment_variables: {AWS_REGION: eu-west-1, LANGFUSE_SECRET_KEY: hush}
guardrails: []
something: 1
"""


def test_everything_is_carried_over_or_named(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _, notes = imported(FULL, write, capsys)
    for name, value in (("EXTERNAL_ID", "ab"), ("REGION_HERE", "us-east-1"), ("REDIS_HOST_HERE", "cache")):
        monkeypatch.setenv(name, value)
    settings = load_settings(gateway_file=file).model_copy(update={"gateway_file": file})
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:p%40ss%2F%24%7Bword@cache:6380"
    assert (settings.aws_region, settings.cache_ttl, settings.cache_enabled) == ("eu-west-1", 60, True)
    assert (settings.max_concurrent_requests, settings.max_body_bytes) == (70, 2_097_152)
    assert (settings.strict_params, settings.log_level, settings.aws_access_key_id) == (True, "DEBUG", None)
    table = read_file(settings).table
    team = Account(name="bedrock", role_arn="arn:aws:iam::123456789012:role/team/bedrock", external_id="ab")
    nine = TargetLimits(concurrent=9)
    assert table.routes["sonnet"].targets == (
        Target(
            model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            place=Place("us-west-2", team),
            weight=3,
            limits=TargetLimits(tpm=1000, concurrent=7),
        ),
        Target(
            model="anthropic.claude-3-haiku-20240307-v1:0",
            place=Place("eu-central-1"),
            weight=0,
            limits=TargetLimits(rpm=60, concurrent=9),
        ),
        Target(model="amazon.nova-pro-v1:0", place=Place("us-east-1", team), weight=1, limits=nine),
    )
    assert (table.routes["sonnet"].strategy, table.routes["sonnet"].fallbacks) == ("weighted", ("ordered", "nova-lite"))
    assert (table.routes["sonnet"].policy.timeout_s, table.policy.attempts) == (30, 2)
    assert table.routes["big"].targets == table.routes["sonnet"].targets
    assert [target.model for target in table.routes["small"].targets] == [
        "amazon.nova-micro-v1:0",
        "amazon.nova-lite-v1:0",
    ]
    assert table.routes["ordered"].strategy == "ordered"
    assert table.routes["profile"].targets[0].model.startswith("arn:aws:bedrock:us-east-1:123456789012:imported-model/")
    assert table.fallbacks == ("profile", "ordered")
    assert set(table.routes) == {"sonnet", "ordered", "profile", "twin", "big", "small"}
    said = "\n".join(notes)
    for named in (
        *(
            f"model_list[0].litellm_params.{key}"
            for key in ("temperature", "aws_session_name", "secret_thing", "timeout")
        ),
        "model_list[0].model_info (base_model, input_cost_per_token)",
        "model_list[0].litellm_params: aws_access_key_id is not the same for all",
        "model_list[1].litellm_params.tpm: must be a whole number from 1 to 1000000000; left out",
        "model_list[2].litellm_params.model: invoke/",
        "model_list[3].litellm_params.model: openai/gpt-4o is no model of Bedrock",
        "model_list[4].litellm_params.model: a pattern is not needed",
        "model_list[9]: is the same model, region and account as model_list[8]",
        *("model_list[10].model_name", "model_list[10].extra", "model_list[13]: is no mapping"),
        "model_list[11].litellm_params.model: no model is called 'nova-por'; closest: nova-pro",
        "model_list[12].litellm_params.model: agent is no conversation",
        *(
            f"router_settings.{key}"
            for key in ("retry_policy", "wholly_new", "model_group_alias.none", "allowed_fails")
        ),
        *("router_settings.model_group_alias.twin", "router_settings.model_group_alias.small.hidden"),
        "router_settings.fallbacks: gpt-4o was not carried over",
        "router_settings.fallbacks: are for gpt-4o",
        "router_settings.context_window_fallbacks: a stand-in is a name here",
        *("num_retries: stand-ins count", "litellm_settings.num_retries: attempts is 1 already"),
        *("general_settings.master_key: is a secret in clear", "general_settings.alerting"),
        *(f"litellm_settings.cache_params.{key}" for key in ("type", "similarity_threshold")),
        *("litellm_settings.success_callback", "environment_variables.LANGFUSE_SECRET_KEY", "guardrails", "something"),
    ):
        assert named in said, f"{named}\n{said}"
    assert "hush" not in said
    assert "p@ss" not in said


@pytest.mark.parametrize(
    ("strategy", "ours"),
    [
        ("simple-shuffle", "weighted"),
        ("least-busy", "least-busy"),
        ("usage-based-routing-v2", "usage"),
        ("latency-based-routing", "latency"),
        ("cost-based-routing", "cheapest"),
        ("of-my-own", "weighted"),
    ],
)
def test_each_strategy_has_its_counterpart(
    write: Write, capsys: pytest.CaptureFixture[str], strategy: str, ours: str
) -> None:
    text = "model_list: [{model_name: a, litellm_params: {model: bedrock/amazon.nova-micro-v1:0}}]\n"
    _, out, notes = imported(f"{text}router_settings: {{routing_strategy: {strategy}}}\n", write, capsys)
    assert f"  strategy: {ours}\n" in out
    assert bool(notes) is (strategy == "of-my-own")


def test_shuffled_targets_are_drawn_by_what_the_first_has(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = imported(
        """\
model_list:
  - {model_name: a, litellm_params: {model: bedrock/amazon.nova-micro-v1:0, rpm: 30}}
  - {model_name: a, litellm_params: {model: bedrock/amazon.nova-lite-v1:0, rpm: 10}}
""",
        write,
        capsys,
    )
    assert "- {model: amazon.nova-micro-v1:0, rpm: 30, weight: 30}" in out
    assert "- {model: amazon.nova-lite-v1:0, rpm: 10, weight: 10}" in out


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "config.yaml: cannot be read (No such file or directory)"),
        ("a: [", "config.yaml:1: is no YAML: expected the node content, but found '<stream end>'"),
        ("- a\n", "config.yaml:1: must be a mapping"),
        ("", "config.yaml: is no configuration of LiteLLM's proxy: it has nothing, and no model_list"),
        ("routes: {}\n", "config.yaml: is no configuration of LiteLLM's proxy: it has routes, and no model_list"),
        ("model_list: {a: 1}\n", "config.yaml:1: model_list: must be a list of models"),
    ],
)
def test_what_is_no_such_configuration_is_refused(
    write: Write, capsys: pytest.CaptureFixture[str], text: str | None, line: str
) -> None:
    if text is not None:
        write(text, "config.yaml")
    assert run(["import", "litellm", "config.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"llm-gateway: {line}")


def test_no_word_of_it_breaks_out_of_its_line(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file, out, _ = imported(
        """\
model_list:
  - {model_name: "a\\u2028b", litellm_params: {model: bedrock/amazon.nova-micro-v1:0}}
  - {model_name: "quote\\"d", litellm_params: {model: bedrock/amazon.nova-micro-v1:0, "new\\nsettings: {}": 1}}
general_settings: {master_key: "a\\u2028: ${b", "x\\nroutes:\\n  evil": 1}
""",
        write,
        capsys,
    )
    assert '\nroutes:\n  "quote\\"d":\n' in out
    settings = load_settings(gateway_file=file)
    assert settings.admin_api_key is not None
    assert settings.admin_api_key.get_secret_value() == "a\u2028: ${b"
    assert list(read_file(settings.model_copy(update={"gateway_file": file})).table.routes) == ['quote"d']
