//! Progress on a request of the server, on its way back to the server.

use mcp_protocol::{Id, Method, Payload, RawObject, RawValue, Request, encode_notification, key};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

/// Most reports of one request that wait to be sent. Beyond them reports are lost: each says more
/// than the one before.
const WAITING: usize = 16;

/// Reports progress on a request of the server that asked for it.
#[derive(Debug, Clone)]
pub struct Progress {
    token: Box<RawValue>,
    reports: mpsc::Sender<String>,
}

impl Progress {
    /// The way back for a request, if it wants progress, and what is to be sent.
    pub(crate) fn on(request: &Request) -> (Option<Self>, mpsc::Receiver<String>) {
        let (reports, waiting) = mpsc::channel(WAITING);
        let token = progress_token(request.params.as_deref());
        (token.map(|token| Self { token, reports }), waiting)
    }

    /// The params of the request with another token, for whoever is asked in our place.
    #[must_use]
    pub fn under(token: &Id, params: &RawValue) -> Box<RawValue> {
        let mut params = RawObject::parse(params).unwrap_or_default();
        let old = params.get("_meta").map(ToOwned::to_owned);
        let mut meta = old.as_deref().and_then(RawObject::parse).unwrap_or_default();
        meta.set(key::PROGRESS_TOKEN, token.to_raw());
        params.set("_meta", meta.to_raw());
        params.to_raw()
    }

    /// The token of a `notifications/progress` with those params, where it is like an id.
    fn token(params: &RawValue) -> Option<Id> {
        Id::parse(RawObject::parse(params)?.get(key::PROGRESS_TOKEN)?)
    }

    /// Reports what the params of a `notifications/progress` say. Whatever token they have, the
    /// server's own is set.
    pub fn report(&self, params: &RawValue) {
        let Some(mut params) = RawObject::parse(params) else { return };
        params.set(key::PROGRESS_TOKEN, self.token.clone());
        let text = encode_notification(Method::Progress.as_str(), Some(&params.to_raw()));
        // It was answered meanwhile, or too much waits.
        let _lost = self.reports.try_send(text);
    }
}

/// Who waits for the answer to a question that was put to somebody else, and maybe for word of it
/// before.
#[derive(Debug)]
pub struct Asker {
    /// Where the answer goes.
    pub answer: oneshot::Sender<Payload>,
    /// Where word of it goes, if the server asked for that.
    pub progress: Option<Progress>,
}

impl Asker {
    /// Hands the params of a `notifications/progress` to the one of these that asked, by the id of
    /// the question, which is its token.
    pub fn tell(waiting: &HashMap<Id, Self>, params: &RawValue) {
        let asker = Progress::token(params).and_then(|id| waiting.get(&id));
        if let Some(progress) = asker.and_then(|asker| asker.progress.as_ref()) {
            progress.report(params);
        }
    }
}

fn progress_token(params: Option<&RawValue>) -> Option<Box<RawValue>> {
    let params = RawObject::parse(params?)?;
    let meta = RawObject::parse(params.get("_meta")?)?;
    meta.get(key::PROGRESS_TOKEN).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;
    use std::borrow::Cow;

    fn asked(params: &str) -> Request {
        let (id, method) = (Id::number(1), Method::ElicitationCreate);
        Request { id, method, name: Cow::Borrowed(method.as_str()), params: raw(params) }
    }

    #[test]
    fn reports_go_back_under_the_servers_own_token_within_a_bound() {
        let (progress, mut waiting) = Progress::on(&asked(r#"{"_meta":{"progressToken":"t"}}"#));
        let progress = progress.expect("it wants progress");
        for _ in 0..100 {
            progress.report(&raw(r#"{"progressToken":7,"progress":1}"#).expect("JSON"));
        }
        let first = waiting.try_recv().expect("a report");
        assert!(first.contains(r#""params":{"progressToken":"t","progress":1}"#), "{first}");
        assert_eq!(std::iter::from_fn(|| waiting.try_recv().ok()).count(), WAITING - 1);
        let under = Progress::under(&Id::number(4), &raw(r#"{"_meta":{"k":1}}"#).expect("JSON"));
        assert_eq!(under.get(), r#"{"_meta":{"k":1,"progressToken":4}}"#);
        assert_eq!(
            Progress::token(&raw(r#"{"progressToken":4}"#).expect("JSON")),
            Some(Id::number(4))
        );
        for params in ["{}", r#"{"_meta":{}}"#] {
            assert!(Progress::on(&asked(params)).0.is_none(), "{params}");
        }
    }
}
