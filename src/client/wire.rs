//! The two transports behind one face.

use crate::{
    ClientError, Options, Sink, Target, fate::Fate, http::HttpWire, prepare::Outgoing,
    stdio::StdioWire,
};
use mcp_protocol::{Payload, RawValue, Revision, encode_notification};
use std::sync::Arc;

/// A connection of either kind.
pub(crate) enum Wire {
    /// To a child process.
    Stdio(StdioWire),
    /// To an HTTP endpoint.
    Http(HttpWire),
}

impl Wire {
    /// Starts the child process, or prepares the HTTP client.
    pub(crate) fn open(
        target: &Target,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        match target {
            Target::Stdio(target) => StdioWire::open(target, sink, options).map(Self::Stdio),
            Target::Http(target) => HttpWire::open(target, sink, options).map(Self::Http),
        }
    }

    /// Notes the revision agreed on.
    pub(crate) fn agree(&self, revision: Revision) {
        match self {
            Self::Stdio(wire) => wire.agree(revision),
            Self::Http(wire) => wire.agree(revision),
        }
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, call: Outgoing) -> Result<Payload, ClientError> {
        match self {
            Self::Stdio(wire) => wire.request(call).await,
            Self::Http(wire) => wire.request(call).await,
        }
    }

    /// Sends a notification.
    pub(crate) async fn notify(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<(), ClientError> {
        let text = encode_notification(method, params);
        match self {
            Self::Stdio(wire) => wire.send(text).await,
            Self::Http(wire) => wire.send(text, method).await,
        }
    }

    /// Starts to hear what a legacy server sends unasked.
    pub(crate) async fn listen(&self) {
        match self {
            Self::Stdio(_) => {}
            Self::Http(wire) => wire.listen().await,
        }
    }

    /// Resolves when there is reason to ask whether the server is there.
    pub(crate) async fn doubted(&self) {
        match self {
            // The end of a child is seen at once.
            Self::Stdio(_) => std::future::pending().await,
            Self::Http(wire) => wire.doubted().await,
        }
    }

    /// The child process, if it is one.
    pub(crate) fn process_id(&self) -> Option<u32> {
        match self {
            Self::Stdio(wire) => wire.process_id(),
            Self::Http(_) => None,
        }
    }

    /// The id of the session, if the server gave one.
    pub(crate) fn session_id(&self) -> Option<String> {
        match self {
            Self::Stdio(_) => None,
            Self::Http(wire) => wire.session_id(),
        }
    }

    /// How the connection ends.
    pub(crate) fn fate(&self) -> &Fate {
        match self {
            Self::Stdio(wire) => wire.fate(),
            Self::Http(wire) => wire.fate(),
        }
    }

    /// Ends the connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::Stdio(wire) => wire.close().await,
            Self::Http(wire) => wire.close().await,
        }
    }
}
