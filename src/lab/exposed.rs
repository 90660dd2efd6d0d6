//! The lab's own `/metrics`: what a run says of itself while it goes on, beside what the target says.
//! It is made of the same events that are written to `events.jsonl`.

use crate::result::{self, Line, Phase, What};
use axum::{Router, http::header, response::IntoResponse, routing::get};
use mcp_telemetry::{
    ChaosDirection, ChaosEvent, ChaosFault, Event, LabEvent, LabOutcome, LabVerdict, Telemetry,
    TelemetryError,
};
use std::{
    future::IntoFuture,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

/// Longest time for which the end of a run waits to be scraped, if it was scraped before.
const LAST_SCRAPE: Duration = Duration::from_secs(20);
/// Longest time for its answer to be written.
const TO_WRITE: Duration = Duration::from_secs(2);

/// A listener for scrapes of one run.
pub struct Exposed {
    telemetry: Telemetry,
    listener: TcpListener,
    /// How often it was scraped.
    scrapes: watch::Sender<u64>,
}

/// Why nothing is exposed.
#[derive(Debug, thiserror::Error)]
pub enum ExposeError {
    /// The address cannot be listened on.
    #[error("metrics cannot be served at {0}: {why}; choose another address", why = mcp_telemetry::reason(.1))]
    Listen(SocketAddr, io::Error),
    /// A metric is wrong.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl Exposed {
    /// Listens there, for a run of scenarios of those names.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn at(listen: SocketAddr, scenarios: &[String]) -> Result<Self, ExposeError> {
        let telemetry = Telemetry::for_lab(scenarios)?;
        let open = || {
            let listener = TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = open().map_err(|error| ExposeError::Listen(listen, error))?;
        Ok(Self { telemetry, listener, scrapes: watch::Sender::default() })
    }

    /// What hears of events and counts them.
    pub fn counter(&self) -> impl Fn(&Line) + Send + Sync + use<> {
        let telemetry = self.telemetry.clone();
        move |line| {
            if let Some(event) = event(line) {
                telemetry.emit(&Event::Lab(event));
            }
        }
    }

    /// Answers scrapes while something runs, and until the one after it where there were any: so
    /// the last verdict is seen too.
    ///
    /// # Errors
    /// When the listener does not work.
    pub async fn during<T>(self, running: impl Future<Output = T>) -> io::Result<T> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let (telemetry, scrapes) = (self.telemetry, self.scrapes);
        let mut seen = scrapes.subscribe();
        let page = move || async move {
            scrapes.send_modify(|count| *count += 1);
            ([(header::CONTENT_TYPE, Telemetry::CONTENT_TYPE)], telemetry.encode()).into_response()
        };
        let (end, told) = oneshot::channel::<()>();
        let serving = axum::serve(listener, Router::new().route("/metrics", get(page)));
        let mut serving = pin!(
            serving
                .with_graceful_shutdown(async move {
                    // It is dropped, never used.
                    let _dropped = told.await;
                })
                .into_future()
        );
        let to_the_end = async {
            let ended = running.await;
            if *seen.borrow_and_update() > 0 {
                // Nobody came any more: there is nobody to tell.
                let _last = timeout(LAST_SCRAPE, seen.changed()).await;
            }
            ended
        };
        let ended = tokio::select! {
            ended = to_the_end => ended,
            failed = &mut serving => {
                return Err(failed.err().unwrap_or_else(|| io::ErrorKind::Other.into()));
            }
        };
        drop(end);
        // The last answer is still to be written.
        let _written = timeout(TO_WRITE, serving).await;
        Ok(ended)
    }
}

/// What is counted of an event.
fn event(line: &Line) -> Option<LabEvent<'_>> {
    Some(match &line.what {
        What::ScenarioBegan => LabEvent::ScenarioBegan { scenario: &line.scenario },
        What::ScenarioEnded { verdict } => {
            LabEvent::ScenarioEnded { scenario: &line.scenario, verdict: verdict_of(*verdict) }
        }
        What::CallStarted { .. } => LabEvent::CallStarted,
        What::CallEnded { outcome, duration_ms, .. } => LabEvent::CallEnded {
            outcome: outcome_of(*outcome),
            elapsed: Duration::from_secs_f64(duration_ms.max(0.0) / 1e3),
        },
        What::Available { known, listed, callable } => {
            LabEvent::ToolsSeen { known: *known, listed: *listed, callable: *callable }
        }
        What::Failed { .. } => LabEvent::StepFailed,
        What::Fault { fault: name, kind, phase, direction, connection, message } => {
            let direction = direction.map_or(ChaosDirection::Both, direction_of);
            let (connection, message) =
                (connection.unwrap_or_default(), message.unwrap_or_default());
            let fault = ChaosFault::of_text(kind)?;
            LabEvent::Fault(match phase {
                Phase::Began => ChaosEvent::FaultBegan { fault, direction, name },
                Phase::Injected => {
                    ChaosEvent::FaultInjected { fault, direction, name, connection, message }
                }
                Phase::Ended => ChaosEvent::FaultEnded { fault, direction, name },
            })
        }
        What::StepBegan { .. }
        | What::StepEnded { .. }
        | What::Connected { .. }
        | What::Disconnected { .. }
        | What::Resources { .. }
        | What::Note { .. } => return None,
    })
}

const fn verdict_of(verdict: result::Verdict) -> LabVerdict {
    match verdict {
        result::Verdict::Passed => LabVerdict::Passed,
        result::Verdict::Failed => LabVerdict::Failed,
        result::Verdict::Skipped => LabVerdict::Skipped,
    }
}

const fn outcome_of(outcome: result::Outcome) -> LabOutcome {
    match outcome {
        result::Outcome::Ok => LabOutcome::Ok,
        result::Outcome::ToolError => LabOutcome::ToolError,
        result::Outcome::ClientError => LabOutcome::ClientError,
        result::Outcome::ServerError => LabOutcome::ServerError,
        result::Outcome::Unavailable => LabOutcome::Unavailable,
        result::Outcome::OutcomeUnknown => LabOutcome::OutcomeUnknown,
        result::Outcome::RateLimited => LabOutcome::RateLimited,
        result::Outcome::Timeout => LabOutcome::Timeout,
        result::Outcome::Disconnected => LabOutcome::Disconnected,
        result::Outcome::Cancelled => LabOutcome::Cancelled,
    }
}

const fn direction_of(direction: result::Direction) -> ChaosDirection {
    match direction {
        result::Direction::Up => ChaosDirection::Up,
        result::Direction::Down => ChaosDirection::Down,
        result::Direction::Both => ChaosDirection::Both,
    }
}
