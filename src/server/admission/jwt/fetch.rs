//! Fetches a key set over HTTP. The answer is bounded in size and time, and a redirect is not
//! followed: keys come from the address that the operator named.

use super::super::{AuthError, door::is_loopback};
use reqwest::{Client, Url, redirect};
use std::{sync::OnceLock, time::Duration};

/// Largest key set, in bytes.
const LARGEST: usize = 1 << 20;
/// Longest time of one fetch.
const WITHIN: Duration = Duration::from_secs(10);

/// Where an issuer publishes its keys.
pub(super) struct Address {
    url: Url,
    client: OnceLock<Client>,
}

impl Address {
    /// Plain HTTP is taken on this machine only: whoever can change the keys can come in.
    pub(super) fn new(text: &str) -> Result<Self, AuthError> {
        let url = Url::parse(text).map_err(|_| AuthError::JwksUrl)?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => url.host_str().is_some_and(is_loopback),
            _ => false,
        };
        if is_safe { Ok(Self { url, client: OnceLock::new() }) } else { Err(AuthError::JwksUrl) }
    }

    fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = client(&self.url).map_err(|error| reason(&error))?;
        Ok(self.client.get_or_init(|| client))
    }
}

fn client(url: &Url) -> reqwest::Result<Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Someone else may have been faster: one provider is as good as another.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .user_agent(concat!("mcp-orchestrator/", env!("CARGO_PKG_VERSION")))
        .timeout(WITHIN)
        .redirect(redirect::Policy::none());
    if url.scheme() == "http" {
        // Only this machine is asked so, which needs neither proxy nor root certificates.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build()
}

/// The key set, or why there is none. The reason names no address: it may hold a secret.
pub(super) async fn fetch(address: &Address) -> Result<Vec<u8>, String> {
    let request = address.client()?.get(address.url.clone()).header("accept", "application/json");
    let mut response = request.send().await.map_err(|error| reason(&error))?;
    if !response.status().is_success() {
        return Err(format!("the issuer answered {}", response.status().as_u16()));
    }
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| reason(&error))? {
        if text.len() + part.len() > LARGEST {
            return Err("the key set is larger than 1 MiB".to_owned());
        }
        text.extend_from_slice(&part);
    }
    Ok(text)
}

fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}
