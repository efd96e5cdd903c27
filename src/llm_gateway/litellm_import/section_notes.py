"""What is said of LiteLLM's keys that have no counterpart, and what to do instead."""

from collections.abc import Mapping

_CALLBACKS = "what happened stands in the log (JSON lines on stderr), in the ledger and under /admin/usage; left out"
_HEALTH = "targets are judged by the calls that they answer, and asked nothing else; left out"
_GUARDRAILS = "guardrails of Bedrock are named by each request (guardrail); left out"
_KEYS = "keys, budgets and limits are set by `llm-gateway keys` and /admin; left out"
_PAGES = "there are no pages and logins here; left out"

ROUTER_NOTES: Mapping[str, str] = {
    "retry_after": "waits follow AWS's own Retry-After, else each is drawn anew (full jitter); left out",
    "content_policy_fallbacks": "a refusal by policy is an answer, and nobody is asked behind it; left out",
    "routing_strategy_args": "strategies take no arguments here; left out",
    "retry_policy": "which errors are asked again is fixed, by what may have been paid; attempts says how often",
    "model_group_retry_policy": "which errors are asked again is fixed; attempts of a route says how often",
    "allowed_fails_policy": "errors that are the caller's never open a breaker; allowed_fails counts all others",
    "disable_cooldowns": "breakers cannot be turned off; allowed_fails makes them slow to open, up to 10000",
    "stream_timeout": "BEDROCK_FIRST_EVENT_TIMEOUT and BEDROCK_IDLE_TIMEOUT say how long a stream may be silent",
    "max_fallbacks": "attempts bounds them: at most 3 calls for a request in all",
    "optional_pre_call_checks": "the strategy sticky keeps a conversation where its prompt cache is; left out",
    "default_litellm_params": "parameters come with each request here, not from the file; left out",
    "enable_tag_filtering": "routes take the place of tags: one name for each; left out",
    "tag_filtering_match_any": "routes take the place of tags: one name for each; left out",
    "caching_groups": "answers are kept by model; left out",
    "routing_groups": "a route says its own strategy; left out",
    "debug_level": "LOG_LEVEL says what is logged; left out",
    "alerting_config": "ALERT_WEBHOOK_URL hears of budgets; left out",
}
GENERAL_NOTES: Mapping[str, str] = {
    **dict.fromkeys(
        ("alerting", "alerting_threshold", "alert_types", "alert_to_webhook_url"),
        "ALERT_WEBHOOK_URL hears of budgets; left out",
    ),
    **dict.fromkeys(
        ("background_health_checks", "health_check_interval", "health_check_details", "use_shared_health_check"),
        _HEALTH,
    ),
    **dict.fromkeys(
        ("custom_auth", "enable_jwt_auth", "litellm_jwtauth", "allowed_routes", "key_management_system"),
        "callers show a key of this gateway (llm-gateway keys create), and nothing else; left out",
    ),
    **dict.fromkeys(("ui_access_mode", "proxy_admin_email", "allow_user_auth", "disable_master_key_return"), _PAGES),
    **dict.fromkeys(
        ("store_model_in_db", "supported_db_objects"),
        "models stand in this file, and are reloaded when it changes; left out",
    ),
    **dict.fromkeys(
        ("disable_spend_logs", "disable_spend_updates", "store_prompts_in_spend_logs"),
        "the ledger writes down what a call cost and never a prompt; LEDGER=off turns it off",
    ),
    **dict.fromkeys(
        ("database_connection_pool_limit", "database_connection_timeout", "proxy_batch_write_at"),
        "the ledger has one writer; left out",
    ),
    "allow_requests_on_db_unavailable": "what is spent is always written down first; docs/when-a-part-is-down.md",
    "completion_model": "a request names its model; left out",
    "infer_model_from_keys": "models are asked with the gateway's own way to AWS; left out",
    "pass_through_endpoints": "only Bedrock is asked; left out",
    "max_response_size_mb": "BEDROCK_TOTAL_TIMEOUT bounds an answer; left out",
}
LITELLM_NOTES: Mapping[str, str] = {
    **dict.fromkeys(
        ("success_callback", "failure_callback", "callbacks", "service_callbacks", "audit_log_callbacks"), _CALLBACKS
    ),
    **dict.fromkeys(
        ("max_budget", "budget_duration", "max_internal_user_budget", "internal_user_budget_duration"),
        "a budget for the whole gateway is set by POST /admin/budgets, with scope gateway; left out",
    ),
    **dict.fromkeys(
        (
            *("upperbound_key_generate_params", "default_internal_user_params", "default_team_params"),
            *("key_generation_settings", "default_team_settings", "max_end_user_budget"),
        ),
        _KEYS,
    ),
    **dict.fromkeys(("guardrails", "content_policy_fallbacks"), _GUARDRAILS),
    "content_policy_fallbacks": ROUTER_NOTES["content_policy_fallbacks"],
    "modify_params": "requests are fitted to the model's card, and what was changed is told as warnings; left out",
    "force_ipv4": "the system's own resolver decides; left out",
    "model_alias_map": "give a route each name; left out",
    "max_parallel_requests": "MAX_CONCURRENT_REQUESTS bounds the gateway, max_concurrent a target; left out",
    "retry_after": ROUTER_NOTES["retry_after"],
}
TOP_NOTES: Mapping[str, str] = {
    "guardrails": _GUARDRAILS,
    "mcp_servers": "this gateway is an MCP server and asks none; left out",
    "mcp_tools": "this gateway is an MCP server and asks none; left out",
    "callback_settings": _CALLBACKS,
    "credential_list": "the gateway has one way to AWS of its own, and roles beside it (accounts); left out",
    "include": "put the files that it includes into one, and import that",
    **dict.fromkeys(
        (
            "assistant_settings",
            "files_settings",
            "finetune_settings",
            "vector_store_registry",
            "search_tools",
            "prompts",
        ),
        "only conversations and vectors are asked here; left out",
    ),
}
