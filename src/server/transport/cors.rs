//! Which web pages may read our answers (CORS): none, unless their origins are configured.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
/// What an answer says in headers, beyond what every page may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After");
/// How long a browser need not ask again, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
const HEADERS: HeaderName = header::ACCESS_CONTROL_REQUEST_HEADERS;

/// Whether a browser asks before it sends a page's request.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that: the page may. A browser sends no token with the question.
pub(super) fn allowed(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    out.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    // Clients send `Mcp-Param-*` headers with names of their tools' choosing: what is asked for
    // is allowed, since each header is checked when it comes.
    if let Some(asked) = headers.get(HEADERS) {
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        out.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    }
    response
}

/// Lets pages of that origin read the answer.
pub(super) fn share(response: &mut Response, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    out.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    out.append(header::VARY, HeaderValue::from_static("Origin"));
}
