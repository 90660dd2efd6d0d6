//! TLS on the listener, as an operator writes it.

use serde::Deserialize;
use std::path::PathBuf;

/// TLS on the listener: both files, or none. They are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those it was signed with, in PEM, ours first.
    pub cert_file: Option<PathBuf>,
    /// Its private key, in PEM: PKCS#8, PKCS#1 or SEC1.
    pub key_file: Option<PathBuf>,
}
