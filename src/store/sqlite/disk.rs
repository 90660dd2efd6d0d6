//! How much room there is on the disk that the store is on. Looked at by the thread that writes,
//! since a disk may take its time to answer.

use mcp_telemetry::StoreEvent;
use rustix::fs::fstatvfs;
use std::{fs::File, time::Duration};
use tokio::time::Instant;

/// How often it is looked at.
const OFTEN: Duration = Duration::from_secs(5);

/// When it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Disk(Option<Instant>);

impl Disk {
    /// What it says of the disk of that file, unless it was asked shortly before. A disk that says
    /// nothing fails at the next write, which is reported.
    pub(super) fn look(&mut self, file: &File) -> Option<StoreEvent<'static>> {
        if self.0.is_some_and(|last| last.elapsed() < OFTEN) {
            return None;
        }
        self.0 = Some(Instant::now());
        let disk = fstatvfs(file).ok()?;
        // What is kept for root is not ours to write to.
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(StoreEvent::DiskLookedAt { free: bytes(disk.f_bavail), size: bytes(disk.f_blocks) })
    }
}
