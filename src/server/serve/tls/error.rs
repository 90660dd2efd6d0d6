//! Why the files of `[tls]` cannot be used. Each text names the file and says what to do; none
//! shows anything of a key.

use std::path::PathBuf;

/// What is wrong with `[tls]`.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is one of the two files only.
    #[error(
        "`{0}` is missing: TLS needs both `tls.cert_file` and `tls.key_file`; give it, or drop the other"
    )]
    Half(&'static str),
    /// A file cannot be read.
    #[error("`{key}`, {path}, cannot be read: {}; give a file that this process may read", mcp_telemetry::reason(source), path = path.display())]
    Unreadable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no certificate in the file.
    #[error("`tls.cert_file`, {path}, holds no certificate that can be used; give a chain in PEM, the certificate of this server first", path = .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in the file.
    #[error("`tls.key_file`, {path}, holds no private key that can be used; give one in PEM without a passphrase (PKCS#8, PKCS#1 or SEC1)", path = .0.display())]
    NoKey(PathBuf),
    /// Certificate and key do not belong together.
    #[error("`tls.key_file`, {key}, is not the key of the certificate in `tls.cert_file`, {cert}; give the one that it was made with", key = key.display(), cert = cert.display())]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}
