//! Under a service manager (systemd): the socket that it holds for us, and the word that we serve.
//! While the manager holds the socket, a restart queues clients where it would refuse them.

use crate::failure::Failure;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::net::TcpListener;

/// The socket that was handed to this process, if one was (`LISTEN_FDS`).
///
/// # Errors
/// When what was handed over is no TCP socket that listens, or there are several.
pub(crate) fn listener() -> Result<Option<TcpListener>, Failure> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 1 {
        return Err(Failure::usage(format!(
            "the service manager handed over {} sockets, and there is use for one: give one \
             `ListenStream=` in the socket unit",
            handed.len()
        )));
    }
    if handed.len() == 0 {
        return Ok(None);
    }
    let taken = handed.take_tcp_listener(0).map_err(|error| {
        Failure::usage(format!(
            "the service manager handed over something that is no TCP socket ({error}): give an \
             address and port as `ListenStream=` in the socket unit"
        ))
    })?;
    Ok(taken)
}

/// Tells the service manager, if there is one (`NOTIFY_SOCKET`), that clients are served.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

/// The same, that the last calls are being finished.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // Nobody is there to be told, or nobody listens: neither keeps anybody from being served.
    let _unheard = sd_notify::notify(false, &[state]).is_err();
}
