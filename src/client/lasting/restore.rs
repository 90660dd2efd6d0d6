//! Sets again in a new session what was set in the old one.

use super::{
    event::ClientEvent,
    shared::{Shared, lock},
};
use crate::{ClientError, Connection, OutCall};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::time::Duration;
use tokio::time::timeout;

/// Longest time for one of the requests.
const EACH: Duration = Duration::from_secs(5);
/// Longest time for all of them: calls wait meanwhile.
const ALL: Duration = Duration::from_secs(10);
/// Most of them at once.
const AT_ONCE: usize = 16;

/// Sends again what the user set. What the server does not take, or does not answer in time, is
/// told to the user, who has a connection all the same.
///
/// # Errors
/// When the connection is lost over it.
pub(super) async fn restore(shared: &Shared, connection: &Connection) -> Result<(), ClientError> {
    let calls = lock(&shared.wishes).calls();
    let restored = stream::iter(calls)
        .map(|call| one(shared, connection, call))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|()| std::future::ready(Ok(())));
    timeout(ALL, restored).await.unwrap_or_else(|_| {
        let why = format!("not everything was set again within {} s", ALL.as_secs());
        shared.tell(ClientEvent::NotRestored { method: "resources/subscribe".to_owned(), why });
        Ok(())
    })
}

async fn one(shared: &Shared, connection: &Connection, call: OutCall) -> Result<(), ClientError> {
    let method = call.method.to_string();
    let why = match timeout(EACH, connection.call(call)).await {
        Ok(Ok(Ok(_))) => return Ok(()),
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) if is_lost(&error) => return Err(error),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", EACH.as_secs()),
    };
    shared.tell(ClientEvent::NotRestored { method, why });
    Ok(())
}

const fn is_lost(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::SessionLost
            | ClientError::Connect(_)
            | ClientError::Tls(_)
            | ClientError::Auth { .. }
            | ClientError::Closed { .. }
    )
}
