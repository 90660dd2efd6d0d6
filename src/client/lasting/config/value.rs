//! Values of a TOML file as what a key takes.

use crate::Secret;
use std::{collections::BTreeMap, time::Duration};
use toml::Value;

/// A year: no wait is longer.
const LONGEST: f64 = 365.0 * 86_400.0;

/// What a key takes, or what it should be.
pub(super) type Read<T> = Result<T, String>;

pub(super) fn seconds(value: &Value) -> Read<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "whole seconds up to a year fit")]
    let seconds = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    seconds
        .filter(|seconds| (0.0..=LONGEST).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds, at most a year".to_owned())
}

pub(super) fn count<T: TryFrom<i64>>(value: &Value) -> Read<T> {
    let number = value.as_integer().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| "must be a whole number that is not negative".to_owned())
}

pub(super) fn share(value: &Value) -> Read<f64> {
    #[expect(clippy::cast_precision_loss, reason = "0 and 1 fit, and no other is allowed")]
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    number.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

pub(super) fn switch(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

pub(super) fn text(value: &Value) -> Read<String> {
    value.as_str().map(ToOwned::to_owned).ok_or_else(|| "must be a text".to_owned())
}

pub(super) fn texts(value: &Value) -> Read<Vec<String>> {
    let wrong = || "must be a list of texts".to_owned();
    value.as_array().ok_or_else(wrong)?.iter().map(|item| text(item).map_err(|_| wrong())).collect()
}

pub(super) fn secrets(value: &Value) -> Read<BTreeMap<String, Secret>> {
    let wrong = || "must be a table of texts".to_owned();
    let entry = |(name, value): (&String, &Value)| {
        let value = value.as_str().map(Secret::from).ok_or_else(wrong)?;
        Ok((name.clone(), value))
    };
    value.as_table().ok_or_else(wrong)?.iter().map(entry).collect()
}
