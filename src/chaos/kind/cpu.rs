//! The machine is busy: threads of ours take its processors, so that all else on it is slow.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// Most threads.
const MOST: usize = 256;

/// The machine is busy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// How many threads; as many as there are processors if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// The share of its time that each is busy, from 0 to 1.
    #[serde(default = "all")]
    pub load: f64,
}

const fn all() -> f64 {
    1.0
}

impl Default for Cpu {
    fn default() -> Self {
        Self { threads: None, load: all() }
    }
}

impl Effect for Cpu {
    fn site(&self) -> Site {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        Site::Process(Act::Cpu(self.threads.unwrap_or_else(processors), self.load))
    }

    fn check(&self) -> Result<(), String> {
        match () {
            () if self.threads.is_some_and(|threads| !(1..=MOST).contains(&threads)) => {
                Err(format!("`threads` is from 1 to {MOST}"))
            }
            () if !(0.0..=1.0).contains(&self.load) => {
                Err("`load` is a number from 0 to 1".to_owned())
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_machine() {
        let cpu = Cpu { threads: Some(2), load: 0.5 };
        assert_eq!(cpu.site(), Site::Process(Act::Cpu(2, 0.5)));
        assert!(Cpu { threads: Some(0), load: 1.0 }.check().is_err());
        assert!(Cpu { threads: None, load: 2.0 }.check().is_err());
    }
}
