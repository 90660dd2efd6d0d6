//! How many files and sockets this process may have open. Systems start a process with few and let
//! it ask for more; a server of many clients asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no client's: upstreams, log, store, runtime.
const OUR_OWN: u64 = 500;

/// Asks for as many as so many clients need; a sentence if the system gives fewer.
pub(crate) fn raise(connections: usize) -> Option<String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = wanted(current, maximum, connections as u64 + OUR_OWN)?;
    let raised = Rlimit { current: Some(wanted), maximum };
    let open = if setrlimit(Resource::Nofile, raised).is_ok() { Some(wanted) } else { current };
    too_few(open?, connections)
}

/// What to ask for, if there is reason to.
fn wanted(current: Option<u64>, maximum: Option<u64>, needed: u64) -> Option<u64> {
    let most = maximum.map_or(needed, |maximum| needed.min(maximum));
    current.filter(|current| *current < needed).map(|current| most.max(current))
}

fn too_few(open: u64, connections: usize) -> Option<String> {
    (open < connections as u64).then(|| {
        format!(
            "`limits.connections` is {connections}, and the system lets this process have {open} files and sockets open: raise `ulimit -Hn`, or lower the limit"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_for_no_more_than_it_needs_or_may_have() {
        assert_eq!(wanted(Some(1_024), Some(524_288), 20_500), Some(20_500));
        assert_eq!(wanted(Some(1_024), None, 20_500), Some(20_500));
        assert_eq!(wanted(Some(1_024), Some(4_096), 20_500), Some(4_096));
        assert_eq!(wanted(Some(65_536), Some(524_288), 20_500), None);
        assert_eq!(wanted(None, None, 20_500), None, "there is no limit");
    }

    #[test]
    fn only_too_few_are_worth_a_word() {
        assert_eq!(too_few(20_000, 20_000), None);
        assert!(too_few(4_096, 20_000).is_some_and(|text| text.contains("4096")));
    }
}
