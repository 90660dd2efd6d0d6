//! CPU time and memory of a process, from `/proc`.

use std::{fs, time::Duration};

/// The kernel tells CPU time to user space in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time that a process has used; zero if it is gone.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Duration::from_secs_f64(ticks(&stat).unwrap_or_default() / TICKS_PER_SECOND)
}

/// Fields 14 and 15; the second field is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory in KiB; `None` if the process is gone.
pub(crate) fn resident(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(400.0));
        assert_eq!(ticks(""), None);
        assert!(resident(std::process::id()).is_some_and(|kib| kib > 100.0));
    }
}
