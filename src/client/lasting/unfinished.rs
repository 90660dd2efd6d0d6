//! How a call of a [`Client`](crate::Client) ends when there is no answer and no single
//! connection is to blame.

use crate::{ClientError, Ran};
use std::time::Duration;

/// Why a call of a [`Client`](crate::Client) has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfinished {
    /// As many messages wait for the server as may; it was not sent.
    #[error("{messages} messages wait for the server already")]
    QueueFull {
        /// How many wait.
        messages: usize,
    },
    /// It is too large to wait for a server that is away; it was not sent.
    #[error("a message of {bytes} bytes is too large to wait for the server: at most {most}")]
    TooLargeToWait {
        /// Its size, in bytes.
        bytes: usize,
        /// The bound, in bytes.
        most: usize,
    },
    /// The server was away for as long as the call could wait; it was not sent.
    #[error("the server was away for {:.1} s{}", waited.as_secs_f32(), cause(why.as_deref()))]
    Away {
        /// How long it waited.
        waited: Duration,
        /// What kept us from the server at last.
        why: Option<Box<ClientError>>,
    },
    /// We do not try to reach the server any more; it was not sent.
    #[error("the server is given up{}", cause(why.as_deref()))]
    GivenUp {
        /// What kept us from the server at last.
        why: Option<Box<ClientError>>,
    },
    /// It was sent and not answered within its deadline.
    #[error("no answer within {:.1} s; whether it ran is not known", after.as_secs_f32())]
    NoAnswer {
        /// Its deadline.
        after: Duration,
    },
    /// It was sent, the answer is lost, and it may not be sent twice.
    #[error("whether it ran is not known: {0}")]
    Unknown(Box<ClientError>),
}

impl Unfinished {
    /// Whether the call may have run.
    #[must_use]
    pub const fn ran(&self) -> Ran {
        match self {
            Self::QueueFull { .. }
            | Self::TooLargeToWait { .. }
            | Self::Away { .. }
            | Self::GivenUp { .. } => Ran::No,
            Self::NoAnswer { .. } | Self::Unknown(_) => Ran::Unknown,
        }
    }

    /// The error of a connection behind it, if there is one.
    #[must_use]
    pub fn cause(&self) -> Option<&ClientError> {
        match self {
            Self::Away { why, .. } | Self::GivenUp { why } => why.as_deref(),
            Self::Unknown(why) => Some(why),
            Self::QueueFull { .. } | Self::TooLargeToWait { .. } | Self::NoAnswer { .. } => None,
        }
    }
}

fn cause(why: Option<&ClientError>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}
