//! TLS on the listener: certificate and key out of their files, held to each other before use,
//! and read again when the files change. The listener asks for the pair in use at each socket.

mod error;
#[cfg(test)]
mod tests;
mod watch;

pub use error::TlsError;
pub(super) use watch::watch;

use crate::config::TlsConfig;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::TlsAcceptor;
use watch::Stamp;
use x509_cert::{Certificate, der::Decode, time::Time};

/// The only protocol that we speak; WebSockets begin with it too.
const ALPN: &[u8] = b"http/1.1";

/// The two files.
#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// What the listener shows to clients. Holds a key, so it cannot be printed with `Debug`.
pub(super) struct Tls {
    files: Files,
    pair: ArcSwap<Pair>,
    /// What the files were when they were read first.
    first: Stamp,
}

/// A certificate with its key, ready for use.
struct Pair {
    acceptor: TlsAcceptor,
    expires: Option<Expiry>,
}

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expiry {
    /// Since 1970.
    pub(super) at: Duration,
    /// The same for people.
    pub(super) text: String,
}

impl Tls {
    /// Reads the files; `None` when TLS is not wanted.
    pub(super) fn new(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (cert, key) = match (&config.cert_file, &config.key_file) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(TlsError::Half("tls.key_file")),
            (None, Some(_)) => return Err(TlsError::Half("tls.cert_file")),
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
        };
        let files = Files { cert, key };
        // Taken before the files are read, so that no later change is missed.
        let first = Stamp::of(&files);
        let pair = ArcSwap::from_pointee(files.load()?);
        Ok(Some(Self { files, pair, first }))
    }

    /// What takes the next socket.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.pair.load().acceptor.clone()
    }

    /// When the certificate in use ends, where it can be told.
    pub(super) fn expires(&self) -> Option<Expiry> {
        self.pair.load().expires.clone()
    }

    /// Reads the files again. If they cannot be used, what was in use stays.
    fn reload(&self) -> Result<(), TlsError> {
        self.pair.store(Arc::new(self.files.load()?));
        Ok(())
    }
}

impl Files {
    fn load(&self) -> Result<Pair, TlsError> {
        let chain = self.chain()?;
        let key = PrivateKeyDer::from_pem_slice(&read("tls.key_file", &self.key)?)
            // The error may quote the file.
            .map_err(|_| TlsError::NoKey(self.key.clone()))?;
        let provider = ring::default_provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| TlsError::NoKey(self.key.clone()))?;
        let expires = chain.first().and_then(|first| expiry(first));
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|error| self.unfit(&error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unfit(&error))?;
        let resolver = rustls::sign::SingleCertAndKey::from(certified);
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Pair { acceptor: Arc::new(config).into(), expires })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = read("tls.cert_file", &self.cert)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.unwrap_or_default();
        if chain.is_empty() { Err(TlsError::NoCertificate(self.cert.clone())) } else { Ok(chain) }
    }

    fn unfit(&self, error: &rustls::Error) -> TlsError {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            TlsError::Mismatch { cert: self.cert.clone(), key: self.key.clone() }
        } else {
            TlsError::NoCertificate(self.cert.clone())
        }
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}

/// A certificate that clients take and this parser does not is served all the same.
fn expiry(certificate: &CertificateDer<'_>) -> Option<Expiry> {
    let end = Certificate::from_der(certificate).ok()?.tbs_certificate.validity.not_after;
    let text = match end {
        Time::UtcTime(time) => time.to_date_time().to_string(),
        Time::GeneralTime(time) => time.to_date_time().to_string(),
    };
    Some(Expiry { at: end.to_unix_duration(), text })
}
