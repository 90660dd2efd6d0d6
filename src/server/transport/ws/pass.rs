//! What a socket came in with. It is shown again when who may come in changes while the socket
//! is open.

use crate::{
    pipeline::{Arrival, Stages},
    transport::api,
};
use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tokio::sync::watch;

/// The token of a socket, and the news that it must be shown again.
pub(super) struct Pass {
    authorization: Option<HeaderValue>,
    news: watch::Receiver<()>,
}

impl Pass {
    pub(super) fn of(stages: &Stages, headers: &HeaderMap) -> Self {
        Self {
            authorization: headers.get(AUTHORIZATION).map(copied),
            news: stages.readmit.subscribe(),
        }
    }

    /// Waits until it must be shown again.
    pub(super) async fn asked_for(&mut self) {
        if self.news.changed().await.is_err() {
            // Whoever asks is gone: nobody will again.
            std::future::pending().await
        }
    }

    /// Shows it again. Whether it is still that principal's, who may have other tools now.
    pub(super) async fn is_good(&self, stages: &Stages, arrival: &mut Arrival) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let admission = stages.admission.load_full();
        match api::principal(stages, &admission, &headers).await {
            Ok(principal) if principal == arrival.principal => {
                arrival.principal = principal;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }
}

/// A secret of its own. A clone would be a part of the 8 KiB that the head of the request was read
/// into, and keep all of them for as long as the socket is open.
fn copied(value: &HeaderValue) -> HeaderValue {
    let copy = HeaderValue::from_bytes(value.as_bytes());
    // What was a header once can be one again.
    let mut copy = copy.unwrap_or_else(|_never| value.clone());
    copy.set_sensitive(true);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_socket_does_not_keep_the_head_of_its_request() {
        let head = Bytes::from(b"authorization: Bearer secret".to_vec());
        let value = HeaderValue::from_maybe_shared(head.slice(15..)).expect("a header");
        let copy = copied(&value);
        drop(value);
        assert!(head.is_unique(), "the copy is a part of the head");
        assert_eq!((copy.to_str().ok(), copy.is_sensitive()), (Some("Bearer secret"), true));
    }
}
