//! The control API: faults listed, added, changed and removed over HTTP while the proxy runs, and
//! what they did. It is for this machine alone unless a token is asked for.

mod guard;
mod routes;
mod toxics;

use crate::{ChaosError, Proxy};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};

/// A control API that runs, for as long as this is kept.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Control {
    /// Starts it for a proxy.
    ///
    /// # Errors
    /// When the address cannot be listened on, or is not this machine's alone and no token is asked
    /// for.
    pub async fn start(
        proxy: &Proxy,
        listen: SocketAddr,
        token: Option<String>,
    ) -> Result<Self, ChaosError> {
        if !listen.ip().is_loopback() && token.is_none() {
            return Err(ChaosError::Invalid(format!(
                "the control API at {listen} could be reached from other machines: give it a token, \
                 or an address such as 127.0.0.1:8474"
            )));
        }
        let failed = |error| ChaosError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = routes::State::new(proxy, token);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // It ends with this task alone: accepting never gives up.
            let _ended = axum::serve(listener, routes::router(Arc::new(state))).await;
        });
        Ok(Self { address, _task: task })
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
