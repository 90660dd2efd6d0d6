//! What a process and all it started use of the machine, from `/proc`. Elsewhere nothing is known.

use crate::result::ResourceSample;
use std::{collections::BTreeMap, fs, path::PathBuf};

/// The kernel counts processor time in hundredths of a second.
const TICKS: f64 = 100.0;
/// How the kernel writes that a socket listens.
const LISTENS: &str = "0A";

/// What a process and its descendants use at a moment; `None` when it is gone.
#[must_use]
pub fn sample(root: u32, at_s: f64) -> Option<ResourceSample> {
    let mut total = ResourceSample { at_s, ..ResourceSample::default() };
    let (mut fds, mut cpu) = (0, 0.0);
    total.rss_bytes = rss(root)?;
    for process in std::iter::once(root).chain(descendants(root)) {
        if process != root {
            total.rss_bytes += rss(process).unwrap_or(0);
        }
        fds += fs::read_dir(of(process, "fd")).map_or(0, |entries| entries.count() as u64);
        cpu += cpu_seconds(process).unwrap_or(0.0);
    }
    (total.fds, total.cpu_seconds) = (Some(fds), Some(cpu));
    // One that ends gives its memory back before its files: with memory still, what was read is whole.
    rss(root).filter(|bytes| *bytes > 0).map(|_| total)
}

/// All processes that it started, and that those did.
#[must_use]
pub fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in processes() {
        if let Some(parent) = stat(process).and_then(|stat| stat.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(children.remove(&parent).unwrap_or_default());
        at += 1;
    }
    found.split_off(1)
}

/// Whether it is there and has not ended.
#[must_use]
pub fn runs(process: u32) -> bool {
    stat(process).is_some_and(|stat| stat.first().is_some_and(|state| state != "Z"))
}

/// The process that listens at this TCP port, among one and all that it started: the first one, if
/// its children share the socket.
#[must_use]
pub fn listener(root: u32, port: u16) -> Option<u32> {
    let sockets: Vec<String> =
        ["tcp", "tcp6"].into_iter().flat_map(|at| sockets(at, port)).collect();
    let listens = |process: &u32| {
        let entries = fs::read_dir(of(*process, "fd")).into_iter().flatten().flatten();
        let mut open = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        open.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    std::iter::once(root).chain(descendants(root)).find(listens)
}

/// The sockets that listen at a port, as their open files are called.
fn sockets(table: &str, port: u16) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let at = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&at) && *fields.get(3)? == LISTENS;
        listens.then_some(format!("socket:[{}]", fields.get(9)?))
    };
    text.lines().filter_map(socket).collect()
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// The fields of `stat` behind the name: state, parent, …
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(of(process, "stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(ToOwned::to_owned).collect())
}

fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = stat(process)?;
    let ticks = |field: usize| stat.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

fn rss(process: u32) -> Option<u64> {
    let status = fs::read_to_string(of(process, "status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

fn of(process: u32, what: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/{what}"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn we_use_something_and_a_child_counts_as_ours() {
        let alone = sample(std::process::id(), 0.0).expect("we are there");
        assert!(alone.rss_bytes > 1 << 20 && alone.fds.is_some_and(|fds| fds > 2));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        assert!(descendants(std::process::id()).contains(&child.id()));
        child.kill().expect("it runs");
        child.wait().expect("it is ours");
        assert_eq!(sample(child.id(), 0.0), None);
    }

    #[test]
    fn who_listens_at_a_port_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let us = std::process::id();
        assert_eq!(listener(us, port), Some(us));
        drop(socket);
        assert_eq!(listener(us, port), None);
    }
}
