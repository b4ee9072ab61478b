"""Spellings of secrets. `{}` is the place of the mark."""

# Attributes that are deleted by their name.
DELETED = (
    # Names that docs/privacy.md lists.
    "prompt", "message.content", "token", "Token", "TOKEN", "access_token", "accessToken", "X-Auth-Token", "id.token", "tokens",
    # Counts of tokens are no secrets. They are deleted because of the word in their names: see docs/privacy.md.
    "gen_ai.usage.input_tokens", "gen_ai.token.type",
    "authorization", "Authorization", "proxy-authorization", "http.request.header.authorization", "auth", "x-auth", "auth_header",
    "credentials", "aws.credential", "cookie", "Set-Cookie", "http.response.header.set_cookie", "sessionCookie",
    "secret", "client_secret", "clientSecret", "AWS_SECRET_ACCESS_KEY", "password", "passwd", "db.Password", "passphrase", "pwd",
    "api_key", "apiKey", "api-key", "api.key", "X-API-KEY", "apikey", "access_key", "private-key", "signing.key", "encryptionKey",
    "mcp-session-id", "Mcp-Session-Id", "mcp.session.id", "mcp_session_id", "http.request.header.mcp-session-id",
    "baggage", "http.request.header.baggage",
    "Prompt", "message_content", "llm.input_messages.0.message.content", "gen_ai.prompt", "gen_ai.prompt.0.content", "gen_ai.prompt.name.0", "gen_ai.prompt.nam", "gen_ai.completion", "gen_ai.input.messages",
    "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
    "content", "completion", "input.value", "output_value", "traceloop.entity.input", "traceloop.entity.output",
    "tool.parameters", "tool.arguments", "tool.result", "mcp.tool.arguments", "http.request.body", "http.response.body",
    "url.query", "http.query_string", "user.email", "user.mail", "user.name", "user.full_name", "enduser.id", "enduser.name",
    "user_id", "userId", "user-id", "user_account_uuid", "user.account.uuid", "user.account_id",
    "requests of ann@example.com",
)

# Text in which something is masked.
MASKED = (
    "{}@example.com", "Ann <{}@mail.example.co.uk>", "{}%40example.com", "{}@bücher.example", "ann.{}+mcp@example.com",
    "Bearer {}", "bearer: {}", "bearer={}", "Basic {}Zm9v", "Negotiate {}Zm9v", 'Digest username="{}", realm="x"',
    "eyJhbGciOiJub25lIn0.{}.c2ln", "eyJhbGciOiJub25lIn0.e30.{}", "eyJhbGciOiJkaXIifQ..a.b.{}",
    "https://ann:{}@db.internal/x", "postgres://{}@db/x", "postgres://{}:pw@10.0.0.1:5432/x",
    "https://example.com/a?q={}", "/mcp?sessionId={}&x=1", "https://example.com/a?{}", "search?a=1&b={}#c",
    "sk-{}00000000000000000000", "sk-ant-api03-{}0000", "sk-proj-{}0000", "sk_live_{}", "rk_test_{}",
    "ghp_{}00000000", "github_pat_{}00000000", "glpat-{}0000", "xoxb-1-{}", "AKIA{}0000", "AIza{}000000000000000000",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "Authorization: {}", "Cookie: a=b; sid={}", "Set-Cookie: sid={}", "password={}", "Password : my {}", '{{"api_key": "x {}"}}',
    "{{'client_secret': '{}'}}", "refresh_token = {}", "Mcp-Session-Id: {}", "baggage: user={}", "credentials=/{}",
    "Pwd={}", "Server=db;Uid=sa;Pwd={}", "passphrase: {}", "x-access-key: {}", "login of user.id={}", "user_id: {}", '{{"user": {{"account_uuid": "{}"}}}}',
)

# Names that look similar and are no secrets.
KEPT_NAMES = (
    "mcp.session", "mcp.prompt", "mcp.tool", "mcp.request_id", "session.id", "message.id", "user.roles", "user", "client.address",
    "author", "auth.method", "keyboard", "api.version", "query", "db.query.summary", "db.query.text", "exception.message", "http.request.body.size", "content.type", "monkey", "@timestamp", "url.path",
    "gen_ai.tool.name", "gen_ai.prompt.name", "gen_ai.request.model", "rpc.response.status_code", "error.type", "exception.type", "network.transport",
)

# Values that look similar and are no secrets, with labels of the filter.
KEPT_VALUES = (
    "get_forecast", "postgres://db:5432/*", "users://{user_id}/profile", "file:///etc/hosts", "npm://registry/@scope/package",
    "secret://vault/item", "secret:", "token:", "urn:*", "other", "list_tokens", "reset-password", "pkg@1.2.3", "ann@localhost",
    "PWD=/srv/mcp", "127.0.0.1:9902", "Basic authentication", "Unexpected token < in JSON", "What? Nothing", "a sentence, with: colons = signs",
    "sk-learn", "task-force-of-many-words-and-a-long-name-that-goes-on", "2026-07-28", "-32602", "天気予報", "100 %", "a//b", "?", "@",
    "5b1f8f5e-8a58-4a51-9d3a-0b8a5c1d2e3f",
)
