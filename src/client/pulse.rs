//! Asking a server again and again whether it is there: a connection that only looks open is
//! found, and how long answers take is measured.

use crate::{ClientError, Connection, Ending, OutCall};
use mcp_protocol::{Era, raw_value};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often to ask, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Time between two questions (default 30 s).
    pub every: Duration,
    /// Longest time to wait for an answer (default 5 s).
    pub within: Duration,
    /// After so many unanswered one after the other the connection is lost (default 3).
    pub misses: u32,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { every: Duration::from_secs(30), within: Duration::from_secs(5), misses: 3 }
    }
}

impl Connection {
    /// Asks until too many questions in a row went unanswered, and then says so; at once where
    /// the server cannot even be reached. `heard` is told of each question: how long the answer
    /// took, or `None`. Any answer will do, also an error. The question is `ping`, and
    /// `server/discover` in the modern era, which has no `ping`.
    pub async fn pulse(
        &self,
        pulse: &Pulse,
        heard: impl Fn(Option<Duration>) + Send,
    ) -> ClientError {
        let mut missed = 0;
        loop {
            sleep(pulse.every).await;
            let asked = Instant::now();
            let answer = timeout(pulse.within, self.ping()).await;
            let answered = matches!(answer, Ok(Ok(())));
            heard(answered.then(|| asked.elapsed()));
            if let Ok(Err(
                error @ (ClientError::Connect(_) | ClientError::Closed { sent: false, .. }),
            )) = answer
            {
                return error;
            }
            missed = if answered { 0 } else { missed + 1 };
            if missed >= pulse.misses {
                return ClientError::Closed { sent: false, ending: Ending::Silent { missed } };
            }
        }
    }

    /// Asks whether the server is there; resolves with any answer. It is asked also when it has as
    /// many calls as it may have: those may be what it does not answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ping(&self) -> Result<(), ClientError> {
        let method = match self.era() {
            Era::Legacy => "ping",
            Era::Modern => "server/discover",
        };
        self.ask(OutCall::new(method, raw_value(&json!({})))).await.map(drop)
    }
}
