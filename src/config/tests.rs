//! The layers as a whole: which wins, what is refused and how, what is shown.

use super::{keys::KEYS, *};
use std::{fs, time::Duration};

fn environment(entries: &[(&str, &str)]) -> Environment {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn load(&self, toml: &str) -> Result<Settings, Failure> {
        Settings::load(&self.given(toml, &[]), &Environment::new())
    }

    fn given(&self, toml: &str, flags: &[(&'static str, &str)]) -> Given {
        let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        Given { file: Some(self.file("my.toml", toml)), flags }
    }

    fn refused(&self, toml: &str) -> String {
        self.load(toml).map(|_| ()).expect_err(toml).to_string()
    }
}

fn defaults() -> Settings {
    Settings::load(&Given::default(), &Environment::new()).expect("the defaults are right")
}

#[test]
fn the_commented_defaults_are_the_defaults() {
    assert_eq!(format!("{:?}", defaults().server), format!("{:?}", Config::default()));
    let set: Table = toml::from_str(DEFAULT_FILE).expect("TOML");
    let optional = [
        "instructions",
        "data_dir",
        "mcp_servers",
        "token_file",
        "auth.token",
        "auth.tokens",
        "auth.principals",
        "auth.jwt.issuer",
        "auth.jwt.audience",
        "auth.jwt.algorithms",
        "auth.jwt.leeway",
        "auth.jwt.keys_file",
        "auth.jwt.jwks_url",
        "auth.jwt.jwks_refresh",
        "auth.jwt.resource",
        "tls.cert_file",
        "tls.key_file",
        "log.file",
        "telemetry.otlp_endpoint",
        "agents.templates",
    ];
    for key in KEYS {
        let mut value = Some(&Value::Table(set.clone())).cloned();
        for name in key.path.split('.') {
            value = value.and_then(|value| value.get(name).cloned());
        }
        assert_eq!(value.is_none(), optional.contains(&key.path), "{}", key.path);
    }
}

#[test]
fn what_is_commented_out_in_the_defaults_is_right_too() {
    let uncommented: Vec<&str> = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key)) =>
            {
                rest
            }
            _ => line,
        })
        .collect();
    let scratch = Scratch::new();
    let text = uncommented
        .join("\n")
        .replace("token_file = ", "# ")
        .replace("\"mcp.json\"", "\"my.json\"");
    scratch.file("my.json", r#"{"mcpServers":{}}"#);
    let environment = environment(&[("SEARCH_TOKEN", "x"), ("MY_KEY", "y")]);
    let settings = Settings::load(&scratch.given(&text, &[("token", "t")]), &environment);
    let settings = settings.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((settings.server.upstreams.len(), settings.refused.len()), (2, 0));
    assert!(settings.server.instructions.is_some() && settings.otlp.is_some());
    assert_eq!(settings.server.agents.templates["coder"].env["API_KEY"].expose(), "y");
    let auth = settings.server.auth;
    assert!(auth.jwt.is_some_and(|jwt| jwt.issuer.is_some() && jwt.jwks_url.is_some()));
    assert_eq!((auth.tokens.len(), auth.principals.len()), (2, 2));
}

fn is_key(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[test]
fn every_key_of_the_server_is_in_our_list() {
    for section in [
        "",
        "auth",
        "auth.jwt",
        "tls",
        "limits",
        "limits.rate",
        "store",
        "transports",
        "names",
        "builtins",
        "agents",
        "tasks",
    ] {
        let nested = |name: &str| {
            if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
        };
        let refused = toml::from_str::<Config>(&format!("{} = 1", nested("no_such_key")))
            .expect_err("unknown");
        let expected = refused.message().split('`').skip(3).step_by(2).map(str::to_owned);
        for name in expected.filter(|name| {
            ![
                "auth",
                "jwt",
                "tls",
                "limits",
                "rate",
                "store",
                "transports",
                "names",
                "builtins",
                "agents",
                "tasks",
                "upstreams",
            ]
            .contains(&name.as_str())
        }) {
            assert!(keys::find(&nested(&name)).is_some(), "add `{}` to KEYS", nested(&name));
        }
    }
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let scratch = Scratch::new();
    let file = "drain = 1\n[limits]\nsessions = 1\nbatch = 1\n[names]\nprefix = true\n";
    let variables = environment(&[
        ("MCP_ORCHESTRATOR_LIMITS__SESSIONS", "2"),
        ("MCP_ORCHESTRATOR_LISTEN", "127.0.0.1:2"),
        ("MCP_ORCHESTRATOR_NO_PREFIX", "true"),
        ("MCP_ORCHESTRATOR_LIMITS__BATCH", ""),
    ]);
    let settings = Settings::load(&scratch.given(file, &[("listen", "127.0.0.1:3")]), &variables)
        .unwrap_or_else(|why| panic!("{why}"));
    let server = settings.server;
    assert_eq!(server.listen.port(), 3, "flag over variable");
    assert_eq!(server.limits.sessions, 2, "variable over file");
    assert!(!server.names.prefix, "a flag's variable, the other way round");
    assert_eq!(
        (server.drain, server.limits.batch),
        (Duration::from_secs(1), 1),
        "file over default"
    );
    assert_eq!(server.limits.questions, Config::default().limits.questions, "default");
}

#[test]
fn the_config_file_may_be_named_by_a_variable_and_its_paths_are_its_own() {
    let scratch = Scratch::new();
    let path = scratch.file("my.toml", "token_file = \"secret\"\ndata_dir = \"/var/x\"");
    let variables = environment(&[("MCP_ORCHESTRATOR_CONFIG", path.to_str().expect("text"))]);
    let settings =
        Settings::load(&Given::default(), &variables).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(settings.token, TokenFrom::File(scratch.0.path().join("secret")));
    assert_eq!(settings.data_dir, Some(PathBuf::from("/var/x")));
}

#[test]
fn mistakes_are_named_with_their_place_and_what_was_meant() {
    let scratch = Scratch::new();
    for (toml, words) in [
        ("\nlisen = \"x\"", &["my.toml, line 2", "`lisen`", "`listen`"][..]),
        ("[limits]\nsesions = 1", &["line 2", "`limits.sesions`", "`limits.sessions`"]),
        ("token = \"x\"", &["`auth.token`"]),
        ("[limit]\nsessions = 1", &["line 1", "`limits`"]),
        ("flavour = 1", &["config default"]),
        ("listen = \"here\"", &["line 1", "`listen`", "127.0.0.1:3001"]),
        ("limits = 3", &["[limits]"]),
        ("[limits]\nbatch = -1", &["`limits.batch`", "whole number"]),
        ("drain = \"long\"", &["seconds"]),
        ("[log]\nformat = \"xml\"", &["auto, json, pretty"]),
        ("listen = ", &["line 1", "TOML"]),
        ("[upstreams.a]\ncomand = \"x\"", &["line 2", "`comand`", "`command`"]),
        ("[upstreams]\na = 3", &["[upstreams.a]"]),
    ] {
        let refused = scratch.refused(toml);
        for word in words {
            assert!(refused.contains(word), "{toml}: {refused}");
        }
    }
    let nowhere = Given { file: Some("/no/such.toml".into()), ..Given::default() };
    let refused = Settings::load(&nowhere, &Environment::new()).map(|_| ()).expect_err("not there");
    assert!(refused.to_string().contains("/no/such.toml"), "{refused}");
    let variable = environment(&[("MCP_ORCHESTRATOR_DRAIN", "x")]);
    let refused = Settings::load(&Given::default(), &variable).map(|_| ()).expect_err("no number");
    assert!(refused.to_string().contains("MCP_ORCHESTRATOR_DRAIN"), "{refused}");
}

#[test]
fn an_unknown_variable_warns_when_it_looks_like_ours() {
    let variables = environment(&[
        ("MCP_ORCHESTRATOR_LISEN", "127.0.0.1:1"),
        ("MCP_ORCHESTRATOR_SERVICE_HOST", "10.0.0.1"),
    ]);
    let settings =
        Settings::load(&Given::default(), &variables).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
    assert!(settings.warnings[0].contains("MCP_ORCHESTRATOR_LISTEN"));
}

#[test]
fn a_listener_on_all_addresses_wants_to_know_its_names() {
    let scratch = Scratch::new();
    let warnings = |toml: &str| scratch.load(toml).unwrap_or_else(|why| panic!("{why}")).warnings;
    assert!(warnings("listen = \"0.0.0.0:1\"")[0].contains("`auth.allowed_hosts`"));
    let named = "listen = \"0.0.0.0:1\"\n[auth]\nallowed_hosts = [\"mcp\"]\n";
    assert!(warnings(named).is_empty() && warnings("").is_empty());
}

#[test]
fn of_token_token_file_and_none_the_highest_layer_wins() {
    let scratch = Scratch::new();
    let load = |toml: &str, flags: &[(&'static str, &str)]| {
        Settings::load(&scratch.given(toml, flags), &Environment::new())
    };
    let token = "[auth]\ntoken = \"abc\"";
    let of =
        |settings: Result<Settings, Failure>| settings.unwrap_or_else(|why| panic!("{why}")).token;
    assert_eq!(of(load("", &[])), TokenFrom::DataDir);
    assert!(matches!(of(load(token, &[])), TokenFrom::Given(place) if place.contains("my.toml")));
    assert_eq!(of(load(token, &[("token-file", "f")])), TokenFrom::File("f".into()));
    assert_eq!(of(load(token, &[("no-auth", "true")])), TokenFrom::None);
    assert!(matches!(of(load("[auth]\ndisabled = true", &[("token", "x")])), TokenFrom::Given(_)));
    assert!(load("", &[("token", "x"), ("no-auth", "true")]).is_err());
    assert!(load("", &[("token", "two words")]).is_err());
    let open = load("listen = \"0.0.0.0:1\"", &[("no-auth", "true")])
        .map(|_| ())
        .expect_err("open to all");
    assert!(open.to_string().contains("loopback"), "{open}");
}

#[test]
fn servers_of_agents_and_of_the_file_become_upstreams() {
    let scratch = Scratch::new();
    scratch.file(
        "mcp.json",
        r#"{"mcpServers":{
            "a":{"command":"x","args":["${HOME_DIR:-/home}"],"env":{"K":"${SECRET}"}},
            "b":{"url":"http://127.0.0.1:3001/mcp"},
            "c":{"url":"https://h/","headers":{"K":"${MISSING}"}},
            "d__e":{"command":"x"}, "builtin":{"command":"x"}, "":{"command":"x"}
        }}"#,
    );
    let toml = "mcp_servers = \"mcp.json\"\n[upstreams.f]\nurl = \"https://f/?k=${SECRET}\"\nera = \"modern\"\n\
        [upstreams.g]\ncommand = \"x\"\nenv = { PIN = 8675309 }\n[upstreams.h]\nurl = \"https://x/\"\ncommand = \"y\"\n";
    let variables = environment(&[("SECRET", "hunter2")]);
    let settings =
        Settings::load(&scratch.given(toml, &[]), &variables).unwrap_or_else(|why| panic!("{why}"));
    let names: Vec<&String> = settings.server.upstreams.keys().collect();
    assert_eq!(names, ["f", "a"], "as written, the file first: {:?}", settings.refused);
    for (name, word) in [
        ("`b`", "leads back"),
        ("`c`", "`MISSING`"),
        ("`d__e`", "`__`"),
        ("`builtin`", "another"),
        ("``", "empty"),
        ("`g`", "`env.PIN`"),
        ("`h`", "`command` or `url`"),
    ] {
        let refused = settings.refused.iter().find(|text| text.contains(name));
        assert!(refused.is_some_and(|text| text.contains(word)), "{name}: {:?}", settings.refused);
    }
    let everything = format!("{:?} {:?} {}", settings.server, settings.refused, show(&settings));
    assert!(!everything.contains("hunter2") && !everything.contains("8675309"), "{everything}");
}

#[test]
fn a_name_in_both_places_is_an_error_that_names_both() {
    let scratch = Scratch::new();
    scratch.file("mcp.json", r#"{"mcpServers":{"a":{"command":"x"}}}"#);
    let refused = scratch.refused("mcp_servers = \"mcp.json\"\n[upstreams.a]\ncommand = \"y\"\n");
    assert!(refused.contains("my.toml, line 2") && refused.contains("mcp.json"), "{refused}");
}

#[test]
fn what_is_shown_has_sources_and_no_secret_and_can_be_read_again() {
    let scratch = Scratch::new();
    let toml = "[auth]\ntoken = \"hunter2\"\ntokens = [{ name = \"ci\", token = \"hunter2\" }]\n\
        [auth.jwt]\naudience = \"us\"\njwks_url = \"https://me:hunter2@h/k?k=hunter2\"\n\
        [auth.principals.\"jwt:*\"]\nallow = [\"echo\"]\n[telemetry]\notlp_endpoint = \"http://me:hunter2@h:4317/x?k=hunter2\"\n\
        [upstreams.\"a b\"]\nurl = \"https://me:hunter2@h/p?k=hunter2#hunter2\"\nheaders = { Authorization = \"hunter2\" }\n";
    let settings =
        Settings::load(&scratch.given(toml, &[("listen", "127.0.0.1:9")]), &Environment::new());
    let text = show(&settings.unwrap_or_else(|why| panic!("{why}")));
    assert!(!text.contains("hunter2"), "{text}");
    for line in
        ["listen = \"127.0.0.1:9\"  # --listen", "drain = 10.0  # default", "token = \"***\""]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(
        text.contains("url = \"https://***@h/p?***\"") && text.contains("my.toml, line 2"),
        "{text}"
    );
    let again = toml::from_str::<Table>(&text).expect("TOML");
    assert!(again["upstreams"]["a b"]["headers"]["Authorization"].is_str());
    assert_eq!(again["auth"]["jwt"]["audience"].as_str(), Some("us"));
    assert!(again["auth"]["principals"]["jwt:*"]["allow"].is_array());
    assert_eq!(again["auth"]["tokens"][0]["name"].as_str(), Some("ci"));
}
