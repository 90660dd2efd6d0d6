//! A plan: the faults of one run with their seed, as a TOML file.

use crate::{ChaosError, Fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most faults in one plan or proxy.
pub(crate) const MOST_FAULTS: usize = 1_000;

/// What goes wrong, and the seed of all chances.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The seed; chosen by whoever runs it if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The faults, in the order in which they see a message.
    #[serde(default, rename = "fault", alias = "faults")]
    pub faults: Vec<Fault>,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When it cannot be read, with the line.
    pub fn parse(text: &str) -> Result<Self, ChaosError> {
        let plan: Self =
            toml::from_str(text).map_err(|error| ChaosError::Invalid(mistake(text, &error)))?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), ChaosError> {
        if self.faults.len() > MOST_FAULTS {
            return Err(ChaosError::TooMany(MOST_FAULTS));
        }
        let mut names = BTreeSet::new();
        for fault in &self.faults {
            fault.check()?;
            if !names.insert(&fault.name) {
                return Err(ChaosError::Taken(fault.name.clone()));
            }
        }
        Ok(())
    }
}

/// A mistake in TOML as one sentence, with its line. Of a fault that is the line where it begins.
#[must_use]
pub fn mistake(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message().lines().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_and_written() {
        let text = "seed = 7\n[[fault]]\nkind = \"latency\"\ndelay = \"20ms\"\n\
                    [[fault]]\nname = \"drop\"\nkind = \"reset\"\nat = \"5s\"\nfor = \"1s\"\n";
        let plan = Plan::parse(text).expect("a plan");
        assert_eq!((plan.seed, plan.faults.len()), (Some(7), 2));
        assert_eq!(plan.faults[0].name, "latency", "a fault is called after its kind");
        let again = toml::to_string(&plan).expect("TOML");
        assert_eq!(Plan::parse(&again).expect("a plan"), plan);
    }

    #[test]
    fn a_mistake_in_a_plan_is_told() {
        for (text, expected) in [
            ("sed = 7", "sed"),
            ("[[fault]]\nkind = \"noop\"\n[[fault]]\nkind = \"noop\"", "already"),
            ("[[fault]]\nkind = \"nope\"", "nope"),
            ("seed = 7\n[[fault]]\nkind = \"nope\"", "line 2: fault `nope`"),
            ("seed = 7\nseed = ", "line 2: "),
            ("[[fault]]\nkind = \"latency\"\ndelay = 100", "with its unit"),
        ] {
            let error = Plan::parse(text).expect_err("a mistake").to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }
}
