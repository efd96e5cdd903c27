"""What a gateway file means, and how it is refused."""

from pathlib import Path

import pytest
from file_house import Write, settings_with

from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.domain.routes import NO_ROUTES, Account, Place, Policy, Route, RouteTable, Target, TargetLimits
from llm_gateway.gateway_file.problems import GatewayFileError
from llm_gateway.gateway_file.shape import AccountShape, DefaultsShape, RouteShape, TargetShape
from llm_gateway.route_desk import read_file

ROOT = Path(__file__).resolve().parents[2]
WHOLE = """\
accounts:
  billing: {role_arn: "arn:aws:iam::123456789012:role/bedrock", external_id: "${ID_THERE}", session_tags: [key, team]}
defaults: {attempts: 2, fallbacks: [nova-lite], timeout: 100}
routes:
  claude-primary:
    strategy: usage
    targets:
      - model: claude-sonnet-4.5
        region: us-west-2
        account: billing
        weight: 2
        tpm: ${TPM:-80000}
        rpm: 5_0
        max_concurrent: 20
      - nova-pro
    fallbacks: [claude-fallback]
    context_fallbacks: [claude-fallback, claude-sonnet-4-6]
    attempts: 3
    timeout: 6e2
    allowed_fails: 2
    cooldown: 60
    max_wait: 0
  claude-fallback:
    targets: [{model: claude-haiku-4.5, region: us-east-1}]
"""


def read(file: Path) -> RouteTable:
    return read_file(settings_with(file)).table


def lines_of(file: Path) -> tuple[str, ...]:
    with pytest.raises(GatewayFileError) as refused:
        read(file)
    assert str(refused.value) == "\n".join(refused.value.lines)
    return refused.value.lines


def test_without_a_file_there_are_no_routes() -> None:
    assert read_file(settings_with(None)).table is NO_ROUTES


def test_every_word_of_the_file_arrives(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ID_THERE", "secret-id")
    content = read_file(settings_with(write(WHOLE)))
    billing = Account(
        name="billing",
        role_arn="arn:aws:iam::123456789012:role/bedrock",
        external_id="secret-id",
        session_tags=("key", "team"),
    )
    sonnet = Target(
        model="claude-sonnet-4.5",
        place=Place("us-west-2", billing),
        weight=2,
        limits=TargetLimits(tpm=80_000, rpm=50, concurrent=20),
    )
    assert content.table.policy == Policy(attempts=2, timeout_s=100)
    assert content.table.fallbacks == ("nova-lite",)
    assert content.table.routes["claude-primary"] == Route(
        name="claude-primary",
        strategy="usage",
        targets=(sonnet, Target(model="nova-pro")),
        fallbacks=("claude-fallback",),
        context_fallbacks=("claude-fallback", "claude-sonnet-4-6"),
        policy=Policy(attempts=3, timeout_s=600, allowed_fails=2, cooldown_s=60, max_wait_s=0),
    )
    # the gateway's own region is no other place, and what a route leaves unsaid is as the defaults say
    assert content.table.routes["claude-fallback"] == Route(
        name="claude-fallback",
        targets=(Target(model="claude-haiku-4.5"),),
        fallbacks=("nova-lite",),
        policy=Policy(attempts=2, timeout_s=100),
    )


def test_toml_means_the_same(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ID_THERE", "secret-id")
    toml = """\
[accounts.billing]
role_arn = "arn:aws:iam::123456789012:role/bedrock"
external_id = "${ID_THERE}"
session_tags = ["key", "team"]
[defaults]
attempts = 2
fallbacks = ["nova-lite"]
timeout = 100
[routes.claude-primary]
strategy = "usage"
fallbacks = ["claude-fallback"]
context_fallbacks = ["claude-fallback", "claude-sonnet-4-6"]
attempts = 3
timeout = 600
allowed_fails = 2
cooldown = 60
max_wait = 0
[[routes.claude-primary.targets]]
model = "claude-sonnet-4.5"
region = "us-west-2"
account = "billing"
weight = 2
tpm = 80000
rpm = 50
max_concurrent = 20
[[routes.claude-primary.targets]]
model = "nova-pro"
[[routes.claude-fallback.targets]]
model = "claude-haiku-4.5"
region = "us-east-1"
"""
    assert read(write(toml, "gateway.toml")) == read(write(WHOLE))


def test_everything_wrong_is_told_at_once_with_line_and_mend(write: Write) -> None:
    file = write("""\
setings: {}
accounts:
  billing: {role_arn: "arn:aws:iam::12:role/x", external_id: "${NOT_SET_ID}", session_tags: [kee]}
defaults: {attempts: 4, strategy: orderd}
routes:
  claude-primary:
    targets:
      - {model: claude-sonet-4.5, region: us-east1, account: biling, weight: .inf, tpm: "80000", max_concurent: 20}
      - {region: us-east-1}
      - 7
    fallbacks: [nobody, claude-primary, claude-fallback]
  claude-fallback: {targets: []}
  claude-fallback: {targets: [nova-pro]}
  vectors: {targets: [titan-embed-v2, nova-pro, nova-pro], timeout: .nan, strategy: weighted}
  Vectors:
  "two words": {targets: [{model: nova-pro, weight: 0}], strategy: weighted, cooldown: true}
  old: {targets: [claude-v2]}
""")
    doubled = lines_of(file)
    assert doubled == ("gateway.yaml:13: routes.claude-fallback: stands twice, first in line 12",)
    text = file.read_text(encoding="utf-8").replace("  claude-fallback: {targets: [nova-pro]}\n", "")
    write(text)
    told = lines_of(file)
    for expected in (
        "gateway.yaml:1: setings: there is no such key; closest: settings",
        "gateway.yaml:3: accounts.billing.role_arn: is 'arn:aws:iam::12:role/x'; it must be the ARN of a role, such as "
        "arn:aws:iam::123456789012:role/bedrock",
        "gateway.yaml:3: accounts.billing.external_id: the environment variable NOT_SET_ID is not set; set it, or "
        "write ${NOT_SET_ID:-default}",
        "gateway.yaml:3: accounts.billing.session_tags[0]: is 'kee'; it must be a list of key, team, agent and run",
        "gateway.yaml:4: defaults.attempts: is 4; it must be a whole number from 1 to 3",
        "gateway.yaml:4: defaults.strategy: there is no strategy 'orderd'; closest: ordered",
        "gateway.yaml:8: routes.claude-primary.targets[0].region: is 'us-east1'; it must be the name of a region, such "
        "as us-east-1",
        "gateway.yaml:8: routes.claude-primary.targets[0].weight: is inf; it must be a number from 0",
        "gateway.yaml:8: routes.claude-primary.targets[0].tpm: is '80000'; it must be a whole number from 1",
        "gateway.yaml:8: routes.claude-primary.targets[0].max_concurent: there is no such key; closest: "
        "max_concurrent, account",
        "gateway.yaml:9: routes.claude-primary.targets[1].model: is missing; it is the name or id of a model",
        "gateway.yaml:10: routes.claude-primary.targets[2]: must be a model's name, or a mapping with model",
        "gateway.yaml:12: routes.claude-fallback.targets: must be a list of one target or more, each a model's name or "
        "a mapping with model",
        "gateway.yaml:13: routes.vectors.timeout: is nan; it must be a number of seconds above 0, at most 86400",
        "gateway.yaml:13: routes.vectors.targets[2]: is the same model and place as targets[1]; keep one, with the "
        "weight of both",
        "gateway.yaml:13: routes.vectors.targets: titan-embed-v2 only makes vectors and nova-pro answers; make a route "
        "of each",
        "gateway.yaml:14: routes.Vectors: differs from the route vectors in upper and lower case only; rename one",
        "gateway.yaml:15: routes.two words: the name of a route has 1 to 200 characters and no spaces",
        "gateway.yaml:15: routes.two words: all weights are 0; give one target a weight above 0",
        "gateway.yaml:15: routes.two words.cooldown: is true; it must be a number of seconds above 0, at most 86400",
    ):
        assert expected in told, "\n".join(told)
    write(text.replace("      - {region: us-east-1}\n      - 7\n", ""))
    told = lines_of(file)
    for expected in (
        "routes.claude-primary.targets[0].account: there is no account 'biling'; closest: billing",
        "routes.claude-primary.targets[0].model: no model is called 'claude-sonet-4.5'; closest: claude-sonnet-4-5",
        "routes.claude-primary.fallbacks[0]: no route is called 'nobody'",
        "routes.claude-primary.fallbacks[1]: is the route itself; name another",
        "routes.old.targets[0].model: ",
    ):
        assert any(expected in line for line in told), "\n".join(told)


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("a: [", "g.yaml", "g.yaml:1: is no YAML: expected the node content, but found '<stream end>'"),
        ("routes: {}\n---\na: 1\n", "g.yaml", "g.yaml:2: is no YAML: but found another document"),
        ("- a\n", "g.yaml", "g.yaml:1: must be a mapping of keys to values"),
        ("routes: !!python/object/apply:os.system [x]\n", "g.yaml", "g.yaml:1: routes: must be a mapping of names to "),
        ("routes: !secret x\n", "g.yaml", "g.yaml:1: routes: bears the tag !secret; write the value without a tag"),
        ("routes: &a {x: *a}\n", "g.yaml", "g.yaml:1: is nested deeper than 24 levels"),
        ("x: " + "[" * 20_000, "g.yaml", "g.yaml: is nested too deeply"),
        ("a: \x07\n", "g.yaml", "g.yaml: is no YAML: it holds a character that YAML does not allow"),
        ("x" * 1_048_577, "g.yaml", "g.yaml: is larger than 1048576 bytes"),
        ("routes = [", "g.toml", "g.toml: is no TOML: Invalid value (at end of document)"),
        ("[a]\nb = 1\nb = 2\n", "g.toml", "g.toml:3: is no TOML: Cannot overwrite a value"),
        ("{}", "g.json", "g.json: its name must end in .yaml, .yml or .toml"),
    ],
)
def test_what_is_no_such_file_is_refused(write: Write, text: str, name: str, line: str) -> None:
    assert lines_of(write(text, name))[0].startswith(line)


def test_a_missing_file_and_one_of_other_bytes_are_refused(tmp_path: Path) -> None:
    assert lines_of(Path("none.yaml")) == ("none.yaml: cannot be read (No such file or directory)",)
    (tmp_path / "g.yaml").write_bytes(b"a: \xff")
    assert lines_of(Path("g.yaml")) == ("g.yaml: is no UTF-8 text (byte 3)",)


def test_a_bomb_of_aliases_is_refused(write: Write) -> None:
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else '0'}]" for n in range(12))
    assert "means more than 100000 values; use fewer aliases" in lines_of(write(bomb))[0]


def test_anchors_and_merges_spare_words(write: Write) -> None:
    table = read(
        write("""\
routes:
  a: &a {targets: [nova-pro], attempts: 1, cooldown: 5}
  b: {<<: *a, attempts: 2}
""")
    )
    assert table.routes["b"].policy == Policy(attempts=2, cooldown_s=5)


def test_one_quota_is_said_once_or_the_same(write: Write) -> None:
    text = """\
routes:
  a: {targets: [{model: nova-pro, tpm: 10}]}
  b: {targets: [{model: amazon.nova-pro-v1:0, tpm: 20}, us.amazon.nova-pro-v1:0]}
"""
    table = read(write(text))
    assert table.routes["b"].targets[1].limits == TargetLimits(tpm=10)
    refused = lines_of(
        write(text.replace("amazon.nova-pro-v1:0, tpm: 20}, us.", "us.amazon.nova-pro-v1:0, tpm: 20}, "))
    )
    assert refused == (
        "gateway.yaml:3: routes.b.targets[0].tpm: is 20, but 10 in routes.a.targets[0].tpm (line 2); it is one quota "
        "of AWS: say the same",
    )


def test_a_route_may_bear_a_models_name(write: Write) -> None:
    table = read(write("routes: {nova-pro: {targets: [{model: nova-pro, region: us-west-2}], fallbacks: [nova-lite]}}"))
    assert table.routes["nova-pro"].targets[0].place == Place("us-west-2")


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [
        ("os.environ/WORD", "x1", "x1"),
        ("${WORD}", "x1", "x1"),
        ("a-${WORD}-${NONE:-b}", "x1", "a-x1-b"),
        ("${WORD:-fallback}", "", "fallback"),
        ("${WORD:-}x1", "", "x1"),
    ],
)
def test_references_are_filled_from_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch, value: str, given: str, expected: str
) -> None:
    monkeypatch.setenv("WORD", given)
    monkeypatch.delenv("NONE", raising=False)
    text = f'accounts: {{a: {{role_arn: "arn:aws:iam::123456789012:role/b", external_id: "{value}"}}}}\n'
    table = read(write(text + "routes: {r: {targets: [{model: nova-pro, account: a}]}}"))
    account = table.routes["r"].targets[0].place.account
    assert account.external_id == expected


@pytest.mark.parametrize("value", ["${}", "${a b}", "os.environ/", "os.environ/a-b"])
def test_references_to_nothing_are_refused(write: Write, value: str) -> None:
    assert "names no variable" in lines_of(write(f'routes: {{a: {{targets: ["{value}"]}}}}'))[0]


def test_no_secret_is_repeated(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "hush-hush-hush")
    told = lines_of(
        write("""\
settings: {admin_api_key: hush-hush-hush, cache_ttl: "${HIDDEN}", redis_url: hush-hush-hush}
accounts: {a: {role_arn: "${HIDDEN}", external_id: "hush hush-hush-hush"}}
routes: {r: {targets: [{model: nova-pro, tpm: "${HIDDEN}", region: os.environ/HIDDEN}]}}
""")
    )
    assert len(told) == 6
    assert not any("hush" in line for line in told), told


def test_a_strategy_of_an_installed_package_may_be_named(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed"
    (package / "theirs-1.dist-info").mkdir(parents=True)
    (package / "theirs-1.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 1\n", encoding="utf-8")
    (package / "theirs-1.dist-info" / "entry_points.txt").write_text(
        "[llm_gateway.strategies]\nreversed = theirs_strategies:backwards\nbroken = theirs_strategies:missing\n",
        encoding="utf-8",
    )
    (package / "theirs_strategies.py").write_text(
        "def backwards(snapshot):\n    return range(len(snapshot.targets))[::-1]\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(package))
    text = "routes: {r: {targets: [nova-pro, nova-lite], strategy: reversed}}\n"
    assert read(write(text)).routes["r"].strategy == "reversed"
    (line,) = lines_of(write(text.replace("reversed", "broken")))
    assert line.startswith(
        "gateway.yaml:1: routes.r.strategy: the strategy 'broken' cannot be loaded (AttributeError: "
    )
    (line,) = lines_of(write(text.replace("reversed", "reverse")))
    assert line.endswith("there is no strategy 'reverse'; closest: reversed")


def test_a_file_that_is_wrong_is_a_configuration_error() -> None:
    assert issubclass(GatewayFileError, ConfigurationError)


def test_the_example_is_sound_and_the_reference_names_every_key() -> None:
    table = read(ROOT / "gateway.example.yaml")
    assert set(table.routes) == {"claude-primary", "claude-fallback"}
    reference = (ROOT / "docs" / "gateway-file.md").read_text(encoding="utf-8")
    for shape in (AccountShape, DefaultsShape, TargetShape):
        for key in shape.model_fields:
            assert f"| `{key}` |" in reference, key
    for key in RouteShape.model_fields:
        assert f"`{key}`" in reference, key
