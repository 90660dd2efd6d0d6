//! Bounds on what clients may do at once, and what is said and counted beyond them.

use super::{Arrival, Stages};
use crate::{
    call::{Refusal, Rejection},
    session::StreamPlace,
};
use mcp_protocol::{Message, is_deeper_than, parse_message};
use mcp_telemetry::{Event, Limit};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A call that counts as in flight until this is dropped.
pub(super) struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stages {
    /// Counts what was refused, or cut off, because of a limit.
    pub(crate) fn over_limit(&self, limit: Limit) {
        self.telemetry.emit(&Event::LimitReached { limit });
    }

    /// Counts a call as in flight; `None` when there are as many as there may be.
    pub(super) fn count_call(&self) -> Option<Counted<'_>> {
        let counted = Counted(&self.calls);
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.limits.now().calls {
            return Some(counted);
        }
        self.over_limit(Limit::Calls);
        None
    }

    /// A place for a stream that is no call's; `None` when there are as many as there may be.
    pub(crate) fn take_stream(&self) -> Option<StreamPlace> {
        let place = self.streams.take_below(self.limits.now().streams);
        if place.is_none() {
            self.over_limit(Limit::Streams);
        }
        place
    }

    /// Looks how deep a message nests, before anything that recurses sees it.
    ///
    /// # Errors
    /// When it nests deeper than it may; with the id of the request, if it is one.
    pub(crate) fn check_depth(&self, arrival: &Arrival, text: &[u8]) -> Result<(), Rejection> {
        let most = self.limits.now().json_depth;
        if !is_deeper_than(text, most) {
            return Ok(());
        }
        self.over_limit(Limit::JsonDepth);
        let sentence = format!(
            "The message nests deeper than {most} arrays and objects, the bound of `limits.json_depth`."
        );
        let rejection = Rejection::new(Refusal::TooDeep, sentence);
        // The envelope is read without recursion.
        let Ok(Message::Request(request)) = parse_message(text) else { return Err(rejection) };
        self.count_refused(arrival, &request, &rejection.error);
        Err(rejection.for_request(Some(request.id)))
    }
}
