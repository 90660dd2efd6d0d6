//! Times as plans write them: a number with its unit, such as `100ms`, `2s`, `1.5m`, `1h`.

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};
use std::{fmt, time::Duration};

/// Longest time that can be written.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is no time: write a number and ms, s, m or h, such as \"100ms\"");
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(wrong)?);
    let seconds = match unit {
        "us" => 0.000_001,
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if time > LONGEST { Err(format!("`{text}` is longer than a year")) } else { Ok(time) }
}

/// Writes a time so that [`parse`] reads it.
pub(crate) fn show(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000_000) {
        format!("{}s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{micros}us")
    }
}

/// Reads a time where one is written, and says what to write where there is something else.
struct Written;

impl Visitor<'_> for Written {
    type Value = Duration;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a time with its unit, such as \"100ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

pub(crate) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&show(*time))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_str(Written)
}

/// The same for a time that need not be there.
pub(crate) mod option {
    use super::{Deserializer, Duration, Serializer, Written, show};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => out.serialize_str(&show(*time)),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D>(from: D) -> Result<Option<Duration>, D::Error>
    where
        D: Deserializer<'de>,
    {
        from.deserialize_str(Written).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["0s", "250us", "100ms", "1500ms", "2s", "90s"] {
            assert_eq!(show(parse(text).expect(text)), text);
        }
        assert_eq!(parse("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h"), Ok(Duration::from_hours(1)));
    }

    #[test]
    fn a_number_without_unit_is_no_time() {
        for text in ["100", "", "ms", "-1s", "1 day", "infs", "nan s", "9000h s", "1e99h"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("9000h").is_err(), "longer than a year");
    }
}
