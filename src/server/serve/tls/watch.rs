//! Looks at the files every few seconds. Asking is what works everywhere: files that a container
//! mounts are swapped by links, of which not every system tells.

use super::{Expiry, Files, Tls};
use mcp_telemetry::{Event, Telemetry};
use std::{path::Path, sync::Arc, time::Duration, time::SystemTime};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// By which a change of the files is known: of each its time and size, if it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([Option<(SystemTime, u64)>; 2]);

impl Stamp {
    pub(super) fn of(files: &Files) -> Self {
        Self([of(&files.cert), of(&files.key)])
    }
}

fn of(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Takes new files into use until it is dropped.
pub(in crate::serve) async fn watch(tls: Arc<Tls>, telemetry: Telemetry) {
    let mut known = tls.first;
    tell(tls.expires(), &telemetry);
    loop {
        tokio::time::sleep(EVERY).await;
        let (looker, looker_telemetry) = (Arc::clone(&tls), telemetry.clone());
        // A slow disk must not hold up those who are served.
        let looked =
            tokio::task::spawn_blocking(move || look(&looker, known, &looker_telemetry)).await;
        known = looked.unwrap_or(known);
    }
}

/// Reads the files if they are no longer as they were known; gives how they are now.
pub(super) fn look(tls: &Tls, known: Stamp, telemetry: &Telemetry) -> Stamp {
    let now = Stamp::of(&tls.files);
    if now != known {
        match tls.reload() {
            Ok(()) => tell(tls.expires(), telemetry),
            Err(error) => {
                telemetry.emit(&Event::CertificateRefused { error: &error.to_string() });
            }
        }
    }
    now
}

fn tell(expires: Option<Expiry>, telemetry: &Telemetry) {
    let expires = expires.as_ref().map(|Expiry { at, text }| (*at, text.as_str()));
    telemetry.emit(&Event::CertificateLoaded { expires });
}
