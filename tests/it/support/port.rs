//! Ports that stay ours while nobody listens there.

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// A port of the loopback address that the system gives to nobody else as long as this is held:
/// a server that names it can listen there, end, and listen there again.
///
/// A port that is merely free is soon taken by one of the many sockets that connect meanwhile.
pub struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    pub fn reserve() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        // Whoever listens says the same; a socket that connects is not given such a port.
        held.set_reuseaddr(true).expect("a socket");
        held.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        Self { address: held.local_addr().expect("an address"), _held: held }
    }

    /// On the loopback address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
