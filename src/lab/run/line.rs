//! A client's own way to the target: a proxy of its own where the scenario has faults of the network,
//! so that a seed gives each client the same faults whatever the others do.

use super::LabError;
use crate::{
    scenario::{Cut, Fault},
    target::Place,
};
use mcp_chaos::{Events, Kind, Proxy, ProxyOptions, kind};
use std::net::SocketAddr;
use tokio::time::Instant;

/// What the fault is called that is behind a `force-disconnect`.
const CUT: &str = "force-disconnect";

/// A fault of the network, and since when its schedule counts: whoever comes late finds it where it
/// stands for all others.
#[derive(Clone)]
pub(super) struct On {
    pub(super) fault: mcp_chaos::Fault,
    pub(super) since: Instant,
}

impl On {
    pub(super) fn now(fault: mcp_chaos::Fault) -> Self {
        Self { fault, since: Instant::now() }
    }
}

/// A client's way to the target.
pub(super) struct Line {
    proxy: Option<Proxy>,
    way: mcp_client::Target,
}

impl Line {
    /// A way with those faults on it, through a proxy if one can stand there and is wanted.
    pub(super) async fn new(
        place: &Place,
        proxied: bool,
        seed: u64,
        faults: Vec<On>,
    ) -> Result<Self, LabError> {
        let Some(upstream) = place.upstream().filter(|_| proxied) else {
            return Ok(Self { proxy: None, way: place.way(None)? });
        };
        let proxy = Proxy::start(ProxyOptions { seed, ..ProxyOptions::before(upstream) }).await?;
        let way = place.way(Some(proxy.address()))?;
        let line = Self { proxy: Some(proxy), way };
        faults.iter().for_each(|fault| line.add(fault));
        Ok(line)
    }

    pub(super) fn way(&self) -> mcp_client::Target {
        self.way.clone()
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.proxy.as_ref().map(Proxy::address)
    }

    /// What the proxy does, from its start.
    pub(super) fn events(&self) -> Option<Events> {
        self.proxy.as_ref().map(Proxy::events)
    }

    /// Switches a fault on; one that is on already stays.
    pub(super) fn add(&self, on: &On) {
        if let Some(proxy) = &self.proxy {
            // It was checked when the scenario was read: it can only be there already.
            let _there = proxy.add_since(on.fault.clone(), on.since);
        }
    }

    /// Switches a fault off.
    pub(super) fn remove(&self, name: &str) {
        if let Some(proxy) = &self.proxy {
            // It may never have been on.
            let _gone = proxy.remove(name);
        }
    }

    /// Cuts every connection, and lets nothing through until [`mend`](Self::mend). Says what kind of
    /// fault that is; `None` where there is no proxy to do it.
    pub(super) fn cut(&self, how: Cut) -> Option<&'static str> {
        self.proxy.as_ref()?;
        let kind = match how {
            Cut::Reset => Kind::Reset(kind::reset::Reset::default()),
            Cut::Silence => Kind::HalfOpen(kind::half_open::HalfOpen::default()),
            Cut::Refuse => Kind::Refuse(kind::refuse::Refuse::default()),
        };
        let name = kind.name();
        if how == Cut::Refuse {
            // Who is connected already is not refused.
            let reset = Kind::Reset(kind::reset::Reset::default());
            self.add(&On::now(mcp_chaos::Fault::new("force-disconnect-reset", reset)));
        }
        self.add(&On::now(mcp_chaos::Fault::new(CUT, kind)));
        Some(name)
    }

    /// Ends a cut.
    pub(super) fn mend(&self) {
        self.remove("force-disconnect-reset");
        self.remove(CUT);
    }

    /// Whether a fault is that of a cut.
    pub(super) fn is_cut(name: &str) -> bool {
        name.starts_with(CUT)
    }
}

/// The faults of the network among those of a scenario that begin by themselves: those with a
/// schedule that no step switches.
pub(super) fn scheduled<'a>(
    faults: &'a [Fault],
    switched: &'a [&str],
    scale: f64,
) -> impl Iterator<Item = mcp_chaos::Fault> + 'a {
    let by_itself = |fault: &&Fault| !switched.contains(&fault.name());
    faults.iter().filter(by_itself).filter_map(move |fault| match fault.scaled(scale) {
        Fault::Network(fault) => Some(*fault),
        Fault::Process(_) | Fault::Machine(_) => None,
    })
}
