//! Who may use the control API: who has the token where one is asked for, else programs of this
//! machine. A page in a browser is neither.

use axum::http::{HeaderMap, StatusCode, header};

/// Why somebody may not.
pub(super) type Refusal = (StatusCode, &'static str);

/// Whether a request may come in.
pub(super) fn admit(headers: &HeaderMap, token: Option<&str>) -> Result<(), Refusal> {
    if headers.contains_key(header::ORIGIN) {
        return Err((StatusCode::FORBIDDEN, "pages in a browser are not let in"));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match token {
        Some(token) => {
            let sent = text(header::AUTHORIZATION).and_then(|sent| sent.strip_prefix("Bearer "));
            if sent.is_some_and(|sent| same(sent.as_bytes(), token.as_bytes())) {
                return Ok(());
            }
            Err((StatusCode::UNAUTHORIZED, "send the token: `Authorization: Bearer …`"))
        }
        // A name that somebody else made point here.
        None if !text(header::HOST).is_some_and(is_here) => {
            Err((StatusCode::FORBIDDEN, "the Host must be this machine: localhost or 127.0.0.1"))
        }
        None => Ok(()),
    }
}

/// Whether a Host names this machine.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Compares in a time that tells nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &[(&'static str, &'static str)], token: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, value.parse().expect("a value"));
        }
        admit(&headers, token).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_this_machine_is_let_in() {
        for here in ["localhost:8474", "127.0.0.1", "[::1]:1"] {
            assert_eq!(ask(&[("host", here)], None), 200, "{here}");
        }
        for other in ["example.com", "127.0.0.1.example.com", "10.0.0.1:8474", ""] {
            assert_eq!(ask(&[("host", other)], None), 403, "{other}");
        }
        assert_eq!(ask(&[], None), 403);
        assert_eq!(ask(&[("host", "localhost"), ("origin", "http://localhost")], None), 403);
    }

    #[test]
    fn with_a_token_only_who_has_it() {
        let token = Some("secret");
        assert_eq!(ask(&[("authorization", "Bearer secret")], token), 200);
        for wrong in ["Bearer secre", "Bearer secret1", "secret", "Basic secret", "Bearer "] {
            assert_eq!(ask(&[("authorization", wrong), ("host", "localhost")], token), 401);
        }
    }
}
