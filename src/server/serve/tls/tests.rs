//! Pairs that fit and pairs that do not, and what a change of the files does.

use super::{Tls, TlsError, expiry, watch};
use crate::config::TlsConfig;
use mcp_telemetry::Telemetry;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::path::PathBuf;

/// A folder with a certificate and its key, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mcp-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let folder = Self(path);
        folder.renew(2030);
        folder
    }

    /// A new pair that ends with that year's first day.
    fn renew(&self, year: i32) {
        let (certificate, key) = pair(year);
        self.put("cert.pem", &certificate);
        self.put("key.pem", &key);
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("written");
    }

    fn config(&self) -> TlsConfig {
        TlsConfig {
            cert_file: Some(self.0.join("cert.pem")),
            key_file: Some(self.0.join("key.pem")),
        }
    }

    fn tls(&self) -> Result<Tls, TlsError> {
        Tls::new(&self.config()).map(|tls| tls.expect("both files are given"))
    }

    fn refused(&self) -> String {
        self.tls().err().expect("not to be used").to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

fn pair(year: i32) -> (String, String) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
}

fn year(tls: &Tls) -> String {
    tls.expires().expect("an end").text[..4].to_owned()
}

#[test]
fn without_files_there_is_no_tls_and_with_one_a_sentence() {
    assert!(Tls::new(&TlsConfig::default()).is_ok_and(|tls| tls.is_none()));
    for (config, missing) in [
        (TlsConfig { cert_file: Some("c".into()), key_file: None }, "tls.key_file"),
        (TlsConfig { cert_file: None, key_file: Some("k".into()) }, "tls.cert_file"),
    ] {
        let refused = Tls::new(&config).err().expect("half a pair").to_string();
        assert!(refused.starts_with(&format!("`{missing}` is missing")), "{refused}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_nothing_of_a_key_is_shown() {
    let folder = Folder::new("unfit");
    assert!(folder.tls().is_ok());
    let (_, other) = pair(2031);
    folder.put("key.pem", &other);
    let refused = folder.refused();
    assert!(refused.contains("is not the key of") && refused.contains("cert.pem"), "{refused}");
    folder.put("key.pem", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n");
    let refused = folder.refused();
    assert!(refused.contains("key.pem") && !refused.contains("hunter2"), "{refused}");
    folder.put("cert.pem", "nothing");
    assert!(matches!(folder.tls(), Err(TlsError::NoCertificate(_))));
    std::fs::remove_file(folder.0.join("cert.pem")).expect("it was there");
    let refused = folder.refused();
    assert!(refused.contains("cert.pem, cannot be read"), "{refused}");
}

#[test]
fn the_end_of_a_certificate_is_read_in_both_of_its_forms() {
    for (year, at) in [(2030, 1_893_456_000), (2060, 2_840_140_800)] {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let end = expiry(certificate.der()).expect("an end");
        assert_eq!(end.at.as_secs(), at);
        assert_eq!(end.text, format!("{year}-01-01T00:00:00Z"));
    }
    assert_eq!(expiry(&vec![0; 9].into()), None);
}

#[test]
fn new_files_are_taken_and_broken_ones_leave_the_old_pair_in_use() {
    let folder = Folder::new("change");
    let tls = folder.tls().expect("a pair");
    let telemetry = Telemetry::new().expect("telemetry");
    let known = watch::look(&tls, tls.first, &telemetry);
    assert_eq!((known, year(&tls).as_str()), (tls.first, "2030"));
    folder.put("cert.pem", "not yet whole");
    let broken = watch::look(&tls, known, &telemetry);
    assert!(broken != known && year(&tls) == "2030");
    folder.renew(2060);
    let renewed = watch::look(&tls, broken, &telemetry);
    assert!(renewed != broken && year(&tls) == "2060");
    let text = telemetry.encode();
    let line = text.lines().find(|line| line.starts_with("mcp_certificate_expiry"));
    assert_eq!(line, Some("mcp_certificate_expiry_timestamp_seconds 2840140800"));
    std::fs::remove_file(folder.0.join("key.pem")).expect("it was there");
    assert!(watch::look(&tls, renewed, &telemetry) != renewed && year(&tls) == "2060");
}
