//! A fault as plans and the control API write it: a table of common keys and those of its kind,
//! side by side. A key that neither knows is an error.

use crate::{ChaosError, Kind, Schedule};
use mcp_telemetry::ChaosDirection;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Value};

/// Longest name of a fault, in bytes.
const LONGEST_NAME: usize = 100;

/// Which way a fault works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to its server.
    #[serde(alias = "upstream")]
    Up,
    /// From the server to its client.
    #[serde(alias = "downstream")]
    Down,
    /// Both ways, or on what has no direction: a connection, a process.
    Both,
}

impl Direction {
    /// Whether a fault of this direction works in that one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }

    pub(crate) const fn label(self) -> ChaosDirection {
        match self {
            Self::Up => ChaosDirection::Up,
            Self::Down => ChaosDirection::Down,
            Self::Both => ChaosDirection::Both,
        }
    }
}

/// Something that goes wrong: what, where, how often and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What it is called; no two faults of a proxy are called the same.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Which way; for kinds that work on messages.
    pub direction: Direction,
    /// The share of messages or connections that it does so to, from 0 to 1.
    pub share: f64,
    /// When.
    pub schedule: Schedule,
}

impl Fault {
    /// A fault in force from now on, for all, in the direction that is usual for its kind.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        let direction = kind.usual_direction();
        Self { name: name.to_owned(), kind, direction, share: 1.0, schedule: Schedule::default() }
    }

    /// The same in this direction.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// The same for this share of messages or connections.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// The same at these times.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not, with what to write instead.
    pub fn check(&self) -> Result<(), ChaosError> {
        let wrong =
            |text: String| Err(ChaosError::Invalid(format!("fault `{}`: {text}", self.name)));
        if self.name.is_empty() || self.name.len() > LONGEST_NAME {
            return wrong(format!("a name has 1 to {LONGEST_NAME} bytes"));
        }
        if self.name.contains(['/', '?', '#']) || self.name.chars().any(char::is_control) {
            return wrong("a name has no `/`, `?`, `#` or control characters".to_owned());
        }
        if !(0.0..=1.0).contains(&self.share) {
            return wrong("`share` is a number from 0 to 1".to_owned());
        }
        if !self.kind.has_direction(self.direction) {
            let usual = self.kind.usual_direction();
            return wrong(
                format!("`{}` works in the direction {usual:?} alone", self.kind.name())
                    .to_lowercase(),
            );
        }
        if let Err(error) = self.schedule.check() {
            return wrong(error.to_string());
        }
        self.kind.check().or_else(wrong)
    }

    /// Reads a table of keys.
    ///
    /// # Errors
    /// When a key is missing, unknown or wrong.
    pub fn read(mut keys: Map<String, Value>) -> Result<Self, ChaosError> {
        let invalid = |error: serde_json::Error| ChaosError::Invalid(error.to_string());
        let kind = match keys.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => return Err(ChaosError::Invalid(format!("`kind` is missing: {}", Kind::choice()))),
        };
        let name = match keys.remove("name") {
            None => kind.clone(),
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(ChaosError::Invalid(format!("`name` is a text, not {other}")));
            }
        };
        let within =
            |error: serde_json::Error| ChaosError::Invalid(format!("fault `{name}`: {error}"));
        let direction = keys.remove("direction").map(serde_json::from_value).transpose();
        let direction = direction.map_err(within)?;
        let share = keys.remove("share").map(serde_json::from_value).transpose().map_err(within)?;
        let times = ["at", "for", "every", "times"];
        let times = times.into_iter().filter_map(|key| keys.remove_entry(key)).collect();
        let schedule = serde_json::from_value(Value::Object(times)).map_err(within)?;
        let parsed = Kind::parse(&kind, Value::Object(keys));
        let kind = parsed.map_err(|text| ChaosError::Invalid(format!("fault `{name}`: {text}")))?;
        let usual = kind.usual_direction();
        let direction = direction.unwrap_or(usual);
        let fault = Self { name, kind, direction, share: share.unwrap_or(1.0), schedule };
        fault.check()?;
        serde_json::to_value(&fault).map_err(invalid)?;
        Ok(fault)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(Map::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let mut keys = Map::new();
        keys.insert("name".to_owned(), self.name.clone().into());
        keys.insert("kind".to_owned(), self.kind.name().into());
        let direction = serde_json::to_value(self.direction).map_err(S::Error::custom)?;
        keys.insert("direction".to_owned(), direction);
        keys.insert("share".to_owned(), self.share.into());
        let schedule = serde_json::to_value(self.schedule).map_err(S::Error::custom)?;
        for part in [schedule, self.kind.parameters()] {
            if let Value::Object(part) = part {
                keys.extend(part);
            }
        }
        keys.serialize(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn read(keys: Value) -> Result<Fault, String> {
        let Value::Object(keys) = keys else { panic!("a table") };
        Fault::read(keys).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let keys = json!({
            "name": "slow", "kind": "latency", "direction": "both", "share": 0.5,
            "at": "1s", "for": "2s", "every": "10s", "times": 3,
            "delay": "100ms", "jitter": "50ms", "correlation": 0.25,
        });
        let fault = read(keys.clone()).expect("it is right");
        assert_eq!(serde_json::to_value(&fault).expect("JSON"), keys);
        assert_eq!(fault.schedule.every, Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_mistake_is_told_with_the_fault_and_the_key() {
        let mistakes = [
            (json!({"name": "x"}), "`kind` is missing"),
            (json!({"kind": "latancy"}), "latency"),
            (json!({"kind": "latency", "delay": "1s", "dealy": "1s"}), "dealy"),
            (json!({"kind": "latency"}), "delay"),
            (json!({"kind": "latency", "delay": "100"}), "no time"),
            (json!({"kind": "latency", "delay": "1s", "share": 2}), "from 0 to 1"),
            (json!({"kind": "latency", "delay": "1s", "times": 2}), "`times` needs `every`"),
            (json!({"kind": "reset", "direction": "up"}), "direction both"),
            (json!({"kind": "reset", "name": "a/b"}), "no `/`"),
        ];
        for (keys, expected) in mistakes {
            let error = read(keys.clone()).expect_err("a mistake");
            assert!(error.contains(expected), "{keys}: {error}");
        }
    }
}
