//! Requests are answered with an HTTP status, and the server does not hear of them.

use super::{Direction, Effect, Fate, Passing, Scene};
use crate::{passing::answer, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Requests are answered with an HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// 401, 403, 429, 500, 502, 503 or 504.
    pub code: u16,
    /// After how long the client may come again; whole seconds are sent.
    #[serde(default, with = "span::option", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// Only requests of these JSON-RPC methods; all requests if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

impl Status {
    /// This status to every request.
    #[must_use]
    pub const fn of(code: u16) -> Self {
        Self { code, retry_after: None, methods: Vec::new() }
    }

    fn line(&self) -> Option<&'static str> {
        Some(match self.code {
            401 => "401 Unauthorized",
            403 => "403 Forbidden",
            429 => "429 Too Many Requests",
            500 => "500 Internal Server Error",
            502 => "502 Bad Gateway",
            503 => "503 Service Unavailable",
            504 => "504 Gateway Timeout",
            _ => return None,
        })
    }
}

impl Effect for Status {
    fn directions(&self) -> &'static [Direction] {
        &[Direction::Up]
    }

    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let Some(line) = self.line().filter(|_| passing.request().is_some()) else { return false };
        let meant = |method: &String| self.methods.contains(method);
        if !self.methods.is_empty() {
            let says = passing.says();
            if !says.iter().any(|said| said.method.as_ref().is_some_and(meant)) {
                return false;
            }
        }
        let mut lines = String::new();
        if self.code == 401 {
            lines.push_str("www-authenticate: Bearer\r\n");
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil();
            lines.push_str(&format!("retry-after: {seconds}\r\n"));
        }
        let body = format!(r#"{{"error":"{line}"}}"#);
        passing.fate = Fate::Answered(answer(line, &lines, &body));
        true
    }

    fn check(&self) -> Result<(), String> {
        let known = self.line().map(|_| ());
        known.ok_or("`code` is one of 401, 403, 429, 500, 502, 503, 504".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        passing::testing::{message, pass},
        wire::{Asked, Unit, View},
    };

    fn request(body: &'static str) -> Unit {
        let asked = Asked { body: body.into(), ..Asked::default() };
        Unit { bytes: body.into(), view: View::Request(asked.into()) }
    }

    #[test]
    fn a_request_of_the_methods_meant_is_answered() {
        let status = Status {
            retry_after: Some(Duration::from_millis(1_500)),
            methods: vec!["ping".to_owned()],
            ..Status::of(429)
        };
        let units =
            vec![request(r#"{"method":"ping"}"#), request(r#"{"method":"x"}"#), message("{}")];
        let passed = pass(&status, units);
        let Fate::Answered(answer) = &passed[0].1.fate else { panic!("an answer") };
        let text = String::from_utf8_lossy(answer);
        assert!(text.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{text}");
        assert!(text.contains("retry-after: 2\r\n"), "{text}");
        assert!(!passed[1].0 && !passed[2].0);
        assert!(Status::of(404).check().is_err(), "that is `session_lost`");
    }
}
