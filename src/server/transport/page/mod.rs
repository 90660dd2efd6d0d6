//! The page at `/`: how things stand, for somebody with a browser. It asks for nothing but what
//! `/api` and `/metrics` say, and for nothing of anybody else.

use super::{
    Here, Shared, StatusReport,
    api::{guarded, plain_rejection},
    arrive::check_address,
};
use crate::{
    admission::{Admission, GOOD_FOR, Visitors},
    call::{Principal, Refusal, Rejection},
    config::reachable,
};
use arc_swap::ArcSwap;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_telemetry::{AuthCause, Event};
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

const STYLE: &str = include_str!("page.css");

static PAGE: LazyLock<Document> =
    LazyLock::new(|| Document::new(include_str!("page.html"), include_str!("page.js")));
static ENTER: LazyLock<Document> =
    LazyLock::new(|| Document::new(include_str!("enter.html"), include_str!("enter.js")));

/// The name of the cookie. Browsers know no ports in cookies: with its own name, each server of a
/// host keeps its visitors.
fn cookie_name(status: &StatusReport) -> String {
    format!("mcp_orchestrator_page_{}", status.address.port())
}

/// Told the page's link: the first at the start, another whenever one was used.
pub(crate) type LinkMade = Box<dyn Fn(&str) + Send + Sync>;

/// What the page needs besides the rest of the server.
pub(crate) struct Page {
    visitors: Visitors,
    link_made: Option<LinkMade>,
    /// The configuration in force, its secrets masked.
    config: ArcSwap<String>,
}

impl Page {
    pub(crate) fn new(link_made: Option<LinkMade>) -> Arc<Self> {
        let (visitors, config) = (Visitors::default(), ArcSwap::default());
        Arc::new(Self { visitors, link_made, config })
    }

    /// Makes a link, if somebody is there to be told.
    pub(crate) fn make_link(&self, status: &StatusReport) {
        let Some(link_made) = &self.link_made else { return };
        let scheme = if status.is_secure { "https" } else { "http" };
        let (address, key) = (reachable(status.address), self.visitors.new_key());
        link_made(&format!("{scheme}://{address}/?key={key}"));
    }

    pub(crate) fn show_config(&self, text: String) {
        self.config.store(Arc::new(text));
    }

    /// Whose cookie a request shows.
    pub(super) fn principal(
        &self,
        status: &StatusReport,
        (admission, headers): (&Admission, &HeaderMap),
    ) -> Option<Principal> {
        self.visitors.pass(cookie(status, headers)?).and_then(|pass| admission.principal_of(pass))
    }
}

/// A page with what the browser may do on it.
struct Document {
    html: String,
    policy: HeaderValue,
}

impl Document {
    fn new(html: &str, script: &str) -> Self {
        let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; \
             connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            digest(script),
            digest(STYLE)
        );
        let html = html.replace("{{css}}", STYLE).replace("{{js}}", script);
        let policy = HeaderValue::try_from(policy);
        Self { html, policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")) }
    }

    fn answer(&self, status: StatusCode) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (status, headers, self.html.clone()).into_response()
    }
}

/// The page for who may see it; who may not is asked for a token.
pub(super) async fn show(State(shared): Here, parts: Parts) -> Response {
    // Who only looks whether there is a page uses no link up.
    if parts.method == Method::HEAD {
        return ENTER.answer(StatusCode::OK);
    }
    let admission = shared.stages.admission.load_full();
    if let Err(rejection) = admission.check_door(&parts.headers) {
        return plain_rejection(&rejection);
    }
    if let Some(key) = key(&parts) {
        let peer = parts.extensions.get().copied();
        return match check_address(&shared.stages, &admission, &parts.headers, peer) {
            Ok(_) => enter(&shared, &admission, &key),
            Err(rejection) => plain_rejection(&rejection),
        };
    }
    let shows_nothing = cookie(&shared.status, &parts.headers).is_none()
        && !Admission::shows_a_token(&parts.headers);
    if shows_nothing && admission.principal_of(None).is_none() {
        // Somebody who has just come has not failed to come in.
        return ENTER.answer(StatusCode::UNAUTHORIZED);
    }
    match guarded(&shared, &parts).await {
        Ok(_) => {
            let mut page = PAGE.answer(StatusCode::OK);
            if Admission::shows_a_token(&parts.headers) {
                welcome(
                    &shared,
                    &mut page,
                    shared.page.visitors.welcome(admission.pass(&parts.headers)),
                );
            }
            page
        }
        Err(rejection) if rejection.status == StatusCode::UNAUTHORIZED => {
            ENTER.answer(StatusCode::UNAUTHORIZED)
        }
        Err(rejection) => plain_rejection(&rejection),
    }
}

/// The configuration in force, for whoever runs the server.
pub(super) async fn config(State(shared): Here, parts: Parts) -> Response {
    if let Err(rejection) = shared.stages.admission.load().check_door(&parts.headers) {
        return plain_rejection(&rejection);
    }
    match guarded(&shared, &parts).await {
        Ok(principal) if principal.is_operator() => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, shared.page.config.load().to_string()).into_response()
        }
        Ok(_) => {
            let sentence = "The configuration is shown to whoever has the main token.";
            plain_rejection(&Rejection::new(Refusal::Forbidden, sentence))
        }
        Err(rejection) => plain_rejection(&rejection),
    }
}

/// Lets a visitor in by the link, who then sees the page without the key in its address.
fn enter(shared: &Shared, admission: &Admission, key: &str) -> Response {
    if !shared.page.visitors.take(key) {
        shared.stages.telemetry.emit(&Event::AuthFailed { cause: AuthCause::Wrong });
        return ENTER.answer(StatusCode::UNAUTHORIZED);
    }
    shared.page.make_link(&shared.status);
    let pass = admission.operator_pass();
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    welcome(shared, &mut response, shared.page.visitors.welcome(pass));
    response
}

fn welcome(shared: &Shared, response: &mut Response, cookie: String) {
    let secure = if shared.status.is_secure { "; Secure" } else { "" };
    let (name, age) = (cookie_name(&shared.status), GOOD_FOR.as_secs());
    let text = format!("{name}={cookie}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

fn key(parts: &Parts) -> Option<String> {
    let mut pairs = form_urlencoded::parse(parts.uri.query()?.as_bytes());
    pairs.find(|(name, _)| name == "key").map(|(_, key)| key.into_owned())
}

fn cookie<'a>(status: &StatusReport, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = cookie_name(status);
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(given, _)| given.trim() == name).map(|(_, value)| value.trim())
}
