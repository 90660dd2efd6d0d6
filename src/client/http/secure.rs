//! What guards an HTTP client: where it may connect to, whom it believes, and which failure is
//! which.

use super::link::reason;
use crate::{
    ClientError, Ending, HttpTarget, Options,
    fate::closed,
    guard::{GuardError, Guarded},
};
use reqwest::{Certificate, Client, ClientBuilder};
use std::{error::Error, io};

/// Sees to it that there is a provider of cryptography.
pub(super) fn provide_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Someone else may have been faster: one provider is as good as another.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Puts the guard of the options around a client.
pub(super) fn guarded(
    mut builder: ClientBuilder,
    target: &HttpTarget,
    options: &Options,
) -> Result<ClientBuilder, ClientError> {
    let guard = &options.guard;
    guard.check(target).map_err(|refused| ClientError::Invalid(refused.to_string()))?;
    if let Some(pem) = &guard.authorities {
        let authorities = Certificate::from_pem_bundle(pem).map_err(|error| {
            ClientError::Invalid(format!("the authorities: {}", reason(&error)))
        })?;
        builder = builder.tls_certs_merge(authorities);
    }
    if guard.danger_accept_invalid_certificates {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if guard.production {
        // A proxy would connect to an address that nobody has looked at.
        builder = builder.no_proxy().dns_resolver(Guarded(guard.clone()));
    }
    Ok(builder)
}

/// Why a request was not sent, or not answered.
pub(crate) fn failure(error: &reqwest::Error) -> ClientError {
    let reason = reason(error);
    if !error.is_connect() {
        // What no connection took up was not written. What one took up may have reached the
        // server, however the exchange failed.
        let was_taken_up = !cause::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled);
        return closed(was_taken_up, Ending::Lost(reason));
    }
    if let Some(refused) = cause::<GuardError>(error) {
        return ClientError::Invalid(refused.to_string());
    }
    match cause::<rustls::Error>(error) {
        Some(_) => ClientError::Tls(reason),
        None => ClientError::Connect(reason),
    }
}

/// Whether the server takes secure connections: any answer will do.
pub(super) async fn try_tls(client: &Client, target: &HttpTarget) -> Result<(), ClientError> {
    client.head(target.url.clone()).send().await.map(drop).map_err(|error| failure(&error))
}

/// A cause of that type. Those inside I/O errors do not show among their causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let inner = || error.downcast_ref::<io::Error>()?.get_ref().and_then(|inner| cause(inner));
    error.downcast_ref().or_else(inner).or_else(|| error.source().and_then(cause))
}
