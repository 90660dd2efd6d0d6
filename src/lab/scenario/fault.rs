//! A fault as it stands in a scenario: of the network or the machine, in the words of a chaos plan, or
//! of a process.

use mcp_chaos::{Kind, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

/// A fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fault {
    /// Done to a process.
    Process(ProcessFault),
    /// Done to the machine that the lab and its target are on.
    Machine(Box<mcp_chaos::Fault>),
    /// Done to what passes between clients and target.
    Network(Box<mcp_chaos::Fault>),
}

/// A fault that is done to a process. How long it lasts is said by the step that switches it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessFault {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub kind: ProcessKind,
}

/// What can be done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// It is killed without a word, and started again when the fault is over.
    Kill,
    /// It is asked to end, and started again when the fault is over.
    Terminate,
    /// It is stopped, so that nothing in it moves, and goes on when the fault is over.
    Stop,
}

/// To whom a fault is done that is done to a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// To the target that the lab started.
    #[default]
    Target,
    /// To the processes that the target started.
    Upstream,
}

impl ProcessKind {
    /// All, by name.
    pub const NAMES: &[&str] = &["kill", "terminate", "stop"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Stop => "stop",
        }
    }
}

impl Fault {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Process(fault) => &fault.name,
            Self::Machine(fault) | Self::Network(fault) => &fault.name,
        }
    }

    fn of_chaos(fault: mcp_chaos::Fault) -> Result<Self, String> {
        if matches!(fault.kind, Kind::Restart(_)) {
            return Err(format!("fault `{}`: `restart` is `terminate` here", fault.name));
        }
        if !matches!(fault.kind, Kind::Cpu(_) | Kind::Memory(_)) {
            return Ok(Self::Network(Box::new(fault)));
        }
        if fault.schedule != Schedule::default() {
            return Err(format!("fault `{}`: its step says when, and for how long", fault.name));
        }
        Ok(Self::Machine(Box::new(fault)))
    }

    /// The same with the times of its schedule multiplied.
    #[must_use]
    pub fn scaled(&self, scale: f64) -> Self {
        let Self::Network(fault) = self else { return self.clone() };
        let mut fault = fault.clone();
        let schedule = &mut fault.schedule;
        schedule.at = schedule.at.mul_f64(scale);
        schedule.lasts = schedule.lasts.map(|lasts| lasts.mul_f64(scale));
        schedule.every = schedule.every.map(|every| every.mul_f64(scale));
        Self::Network(fault)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let keys: Map<String, Value> = Map::deserialize(from)?;
        let kind = keys.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !ProcessKind::NAMES.contains(&kind) {
            let read = mcp_chaos::Fault::read(keys).map_err(D::Error::custom)?;
            return Self::of_chaos(read).map_err(D::Error::custom);
        }
        let mut keys = keys.clone();
        if !keys.contains_key("name") {
            keys.insert("name".to_owned(), kind.into());
        }
        serde_json::from_value(Value::Object(keys)).map(Self::Process).map_err(D::Error::custom)
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kinds: Vec<&str> =
            mcp_chaos::Kind::NAMES.iter().chain(ProcessKind::NAMES).copied().collect();
        schemars::json_schema!({
            "description": "A fault: of the network, with the keys of its kind as in a plan of \
                            `mcp-orchestrator chaos`, of the machine, or of a process.",
            "type": "object",
            "required": ["kind"],
            "properties": {
                "name": { "type": "string", "description": "What it is called; its kind without it." },
                "kind": { "enum": kinds, "description": "What it does." },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_fault_is_done_to_is_told_by_its_kind() {
        let read = |keys| serde_json::from_value::<Fault>(keys).map_err(|error| error.to_string());
        assert!(matches!(read(json!({"kind": "stop"})), Ok(Fault::Process(_))));
        assert!(matches!(read(json!({"kind": "cpu", "load": 0.5})), Ok(Fault::Machine(_))));
        assert!(matches!(read(json!({"kind": "memory", "mebibytes": 1})), Ok(Fault::Machine(_))));
        assert!(matches!(read(json!({"kind": "reset", "at": "1s"})), Ok(Fault::Network(_))));
        let scheduled = read(json!({"kind": "cpu", "at": "1s", "for": "1s"}));
        assert!(scheduled.is_err_and(|error| error.contains("its step says when")));
        assert!(read(json!({"kind": "restart"})).is_err_and(|error| error.contains("terminate")));
    }
}
