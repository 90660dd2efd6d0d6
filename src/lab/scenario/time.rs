//! Seconds as they stand in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest time that a scenario may name: a month.
const LONGEST: f64 = 31.0 * 86_400.0;

/// A time in a scenario, in seconds: not negative, at most a month.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "f64")]
pub struct Seconds(#[schemars(range(min = 0.0, max = 2_678_400.0))] f64);

impl Seconds {
    /// So many.
    pub(crate) const fn new(seconds: u32) -> Self {
        Self(seconds as f64)
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// As it is written, for what a time scale leaves alone.
    #[must_use]
    pub fn whole(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }

    /// Multiplied with a time scale.
    #[must_use]
    pub fn scaled(self, scale: f64) -> Duration {
        Duration::from_secs_f64((self.0 * scale).clamp(0.0, LONGEST))
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        if (0.0..=LONGEST).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} is no time: write seconds from 0 to {LONGEST}"))
        }
    }
}
