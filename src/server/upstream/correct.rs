//! Calls that an upstream refused unrun, for how they were sent: what can be mended is sent once
//! more, all else is the answer.

use super::{
    attempt::Route,
    deadline::Deadline,
    forward::Outgoing,
    listing::{Kind, Listing, Look},
    one::Upstream,
    report::now,
};
use mcp_client::Correction;
use mcp_protocol::{Era, Method, RpcError, headers::ParamHeader};
use mcp_telemetry::{Event, Replay};
use std::borrow::Cow;
use tokio::time::{Instant, timeout_at};

impl Upstream {
    /// Mends a call; whether it is to be sent again.
    pub(super) async fn mend(
        &self,
        outgoing: &mut Outgoing<'_>,
        route: &Route,
        refused: &RpcError,
        deadline: &Deadline,
    ) -> bool {
        if route.link.era() == Era::Legacy {
            return false;
        }
        let is_mended = match Correction::of(refused) {
            None => false,
            Some(Correction::SendAgain) => self.budget().spend(Instant::now()),
            Some(Correction::ListTools) => {
                self.takes_other_headers(outgoing, route, deadline).await
            }
        };
        if is_mended {
            let (upstream, decision) = (&self.label, Replay::Resent);
            self.shared.telemetry.emit(&Event::ReplayDecided { upstream, decision });
        }
        is_mended
    }

    /// Asks which arguments of the tool are to be repeated in headers now; whether they are others.
    async fn takes_other_headers(
        &self,
        outgoing: &mut Outgoing<'_>,
        route: &Route,
        deadline: &Deadline,
    ) -> bool {
        if outgoing.method != Method::ToolsCall || !self.budget().spend(Instant::now()) {
            return false;
        }
        // Who lists the tools has to know, too.
        self.lane(Era::Modern).stale.suspect();
        let limit = self.shared.limits.now().request_timeout.min(deadline.left());
        let look = Look { kinds: &[Kind::Tools], believed: &[], limit, now: now() };
        let before = Listing::default();
        let read = before.refreshed(&route.link, &look);
        let Ok((listing, _)) = timeout_at(deadline.at(), read).await else { return false };
        let tool = listing.tools.items.iter().find(|tool| *tool.key == *outgoing.subject);
        let Some(tool) = tool else { return false };
        let are_others = tool.headers[..] != outgoing.headers[..];
        outgoing.headers = Cow::<[ParamHeader]>::Owned(tool.headers.clone());
        are_others
    }
}
