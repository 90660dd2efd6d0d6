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
        let mut authorization = headers.get(AUTHORIZATION).cloned();
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Self { authorization, news: stages.readmit.subscribe() }
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
