//! Which tool of a server that nobody here knows may be called again and again to see whether it
//! answers: one that says of itself that it does no harm, or whose name is known for it.

use serde_json::{Map, Value, json};

/// Names of tools that do nothing but answer, the best first.
const KNOWN: [&str; 9] = [
    "echo",
    "ping",
    "add",
    "sum",
    "get sum",
    "time",
    "get time",
    "current time",
    "get current time",
];
/// Those of them that are harmless whatever else the name says.
const ALWAYS: [&str; 2] = ["echo", "ping"];
/// Those of them that are harmless if they are about numbers: others add to something.
const OF_NUMBERS: [&str; 3] = ["add", "sum", "get sum"];
/// Words that a name begins or ends with which promises little harm; they count where nothing better
/// is there.
const MILD: [&str; 5] = ["version", "health", "status", "list", "info"];
/// Words of names that are never called, whatever the tool says of itself: what they show is secret,
/// or what they do stays done.
const NEVER: [&str; 54] = [
    "env",
    "environ",
    "environment",
    "secret",
    "secrets",
    "token",
    "tokens",
    "key",
    "keys",
    "password",
    "passwords",
    "credential",
    "credentials",
    "auth",
    "login",
    "logout",
    "delete",
    "remove",
    "drop",
    "destroy",
    "purge",
    "clear",
    "reset",
    "write",
    "create",
    "update",
    "set",
    "put",
    "post",
    "send",
    "edit",
    "insert",
    "append",
    "move",
    "rename",
    "upload",
    "push",
    "commit",
    "merge",
    "exec",
    "execute",
    "eval",
    "run",
    "shell",
    "bash",
    "command",
    "kill",
    "stop",
    "start",
    "restart",
    "install",
    "deploy",
    "toggle",
    "trigger",
];
/// What is said where any text will do.
const TEXT: &str = "lab";

/// How little harm a tool does; the least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// Its name is known, and it says that it does no harm.
    KnownAndSaid,
    Known,
    /// It says that it only reads.
    Reads,
    /// It says that it may be repeated and destroys nothing.
    Repeats,
    /// Its name promises little harm, and it asks for nothing.
    Mild,
}

/// The tool that does the least harm, with arguments that suit it; `None` where none is sure to.
pub(super) fn pick(tools: &[Value]) -> Option<(String, Map<String, Value>)> {
    let candidates = tools.iter().filter_map(|tool| {
        let words = words(tool["name"].as_str()?);
        let (tier, rank) = judged(tool, &words)?;
        let arguments = arguments(&tool["inputSchema"], is_always(&words))?;
        let of_numbers = OF_NUMBERS.contains(&words.join(" ").as_str());
        let numbers = !arguments.is_empty() && arguments.values().all(Value::is_number);
        let is_odd = (tier == Tier::Mild && !arguments.is_empty()) || (of_numbers && !numbers);
        let name = tool["name"].as_str()?.to_owned();
        (!is_odd).then_some(((tier, !arguments.is_empty(), rank), (name, arguments)))
    });
    candidates.min_by_key(|(order, _)| *order).map(|(_, picked)| picked)
}

/// How harmless a tool of such a name is, and where it stands among those that are equally so.
fn judged(tool: &Value, words: &[String]) -> Option<(Tier, usize)> {
    let says = |hint: &str| tool["annotations"][hint].as_bool();
    let reads = says("readOnlyHint") == Some(true);
    let destroys = !reads && says("destructiveHint") == Some(true);
    if destroys || words.iter().any(|word| NEVER.contains(&word.as_str())) {
        return None;
    }
    let repeats = says("idempotentHint") == Some(true) && says("destructiveHint") == Some(false);
    let name = if is_always(words) { words.last().cloned() } else { Some(words.join(" ")) };
    let known = KNOWN.iter().position(|known| name.as_deref() == Some(known));
    let ends = [words.first(), words.last()];
    let mild = MILD.iter().position(|mild| ends.into_iter().flatten().any(|word| word == mild));
    let rank = mild.unwrap_or(MILD.len());
    match known {
        Some(place) if reads || repeats => Some((Tier::KnownAndSaid, place)),
        Some(place) => Some((Tier::Known, place)),
        None if reads => Some((Tier::Reads, rank)),
        None if repeats => Some((Tier::Repeats, rank)),
        None => mild.map(|rank| (Tier::Mild, rank)),
    }
}

fn is_always(words: &[String]) -> bool {
    words.last().is_some_and(|word| ALWAYS.contains(&word.as_str()))
}

/// The words of a name, without that of a server before it: `getEnv`, `get-env` and `up__get_env`
/// have the same ones.
fn words(name: &str) -> Vec<String> {
    let own = name.rsplit(['.', '/', ':']).next().unwrap_or(name);
    let own = own.rsplit("__").next().unwrap_or(own);
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in own.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Arguments as the schema asks for them; `None` where it does not say what would do.
fn arguments(schema: &Value, any_text: bool) -> Option<Map<String, Value>> {
    let required = schema["required"].as_array().into_iter().flatten();
    let argument = |key: &Value| {
        let key = key.as_str()?;
        Some((key.to_owned(), argument(key, &schema["properties"][key], any_text)?))
    };
    required.map(argument).collect()
}

fn argument(key: &str, schema: &Value, any_text: bool) -> Option<Value> {
    let given = ["const", "default"].into_iter().map(|at| &schema[at]);
    let given = given.chain(["enum", "examples"].into_iter().map(|at| &schema[at][0]));
    if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
        return Some(given.clone());
    }
    match schema["type"].as_str() {
        Some("boolean") => Some(json!(false)),
        Some("integer" | "number") => Some(least(&schema["minimum"])),
        Some("array") if schema["minItems"].is_null() => Some(json!([])),
        Some("string") if key.eq_ignore_ascii_case("timezone") => Some(json!("UTC")),
        Some("string") | None if any_text => Some(json!(TEXT)),
        _ => None,
    }
}

/// The least number that will do; any will, where none is named.
fn least(minimum: &Value) -> Value {
    if minimum.is_number() { minimum.clone() } else { json!(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, hints: Value, required: &[(&str, Value)]) -> Value {
        let keys: Vec<&str> = required.iter().map(|(key, _)| *key).collect();
        let properties: Map<String, Value> =
            required.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
        let schema = json!({"type": "object", "properties": properties, "required": keys});
        json!({"name": name, "inputSchema": schema, "annotations": hints})
    }

    fn picked(tools: &[Value]) -> Option<String> {
        pick(tools).map(|(name, _)| name)
    }

    fn reads() -> Value {
        json!({"readOnlyHint": true})
    }

    #[test]
    fn what_shows_or_changes_something_is_never_called() {
        let env = tool("get-env", reads(), &[]);
        assert_eq!(picked(std::slice::from_ref(&env)), None, "it shows secrets");
        for name in
            ["getEnv", "up__get_env", "list_secrets", "echo-token", "deleteStatus", "runEcho"]
        {
            assert_eq!(picked(&[tool(name, reads(), &[])]), None, "{name}");
        }
        let destroys = json!({"destructiveHint": true, "idempotentHint": true});
        assert_eq!(picked(&[tool("status", destroys, &[])]), None);
        assert_eq!(picked(&[tool("surprise", json!({}), &[])]), None, "it says nothing");
        let text = json!({"type": "string"});
        let adds = tool("add", json!({}), &[("title", text.clone())]);
        assert_eq!(picked(&[adds]), None, "it adds to something");
        assert_eq!(picked(&[tool("reminder_add", json!({}), &[])]), None);
        // What a server for everything offers.
        let echo = tool("echo", reads(), &[("message", text)]);
        assert_eq!(picked(&[env, echo]), Some("echo".into()));
    }

    #[test]
    fn the_least_harmful_comes_first() {
        let number = || json!({"type": "number"});
        let path = json!({"type": "string"});
        let tools = [
            tool("read", reads(), &[("path", path.clone())]),
            tool("list", json!({}), &[]),
            tool("again", json!({"idempotentHint": true, "destructiveHint": false}), &[]),
            tool("lines", reads(), &[("most", json!({"type": "integer", "minimum": 3}))]),
            tool("tiny_image", reads(), &[]),
            tool("server_status", reads(), &[]),
            tool("add", json!({}), &[("a", number()), ("b", number())]),
            tool("up__echo", json!({}), &[("message", path)]),
            tool("ping", reads(), &[]),
        ];
        let order = [8, 7, 6, 5, 4, 3, 2, 1];
        let mut left: Vec<Value> = tools.to_vec();
        for place in order {
            assert_eq!(picked(&left), tools[place]["name"].as_str().map(ToOwned::to_owned));
            left.retain(|tool| *tool != tools[place]);
        }
        assert_eq!(picked(&left), None, "nobody knows which path");
    }

    #[test]
    fn arguments_are_what_the_schema_asks_for() {
        let required = [
            ("message", json!({"type": "string"})),
            ("kind", json!({"enum": ["debug", "info"]})),
            ("timezone", json!({"type": "string"})),
            ("loud", json!({"type": "boolean"})),
            ("times", json!({"type": "integer", "minimum": 2})),
            ("tags", json!({"type": "array"})),
            ("unit", json!({"type": "string", "default": "s"})),
        ];
        let (_, arguments) = pick(&[tool("echo", json!({}), &required)]).expect("it is picked");
        let expected = json!({"message": "lab", "kind": "debug", "timezone": "UTC", "loud": false,
                              "times": 2, "tags": [], "unit": "s"});
        assert_eq!(Value::Object(arguments), expected);
        let nested = ("deep", json!({"type": "object", "required": ["x"]}));
        assert_eq!(picked(&[tool("echo", json!({}), &[nested])]), None);
    }
}
