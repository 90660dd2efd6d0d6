//! The three pipes of a child process: what we write, what it answers, what it logs.

use super::{
    Out, Shared, id_in_cut_line,
    lines::{Line, Lines},
    our_id,
};
use crate::{
    ClientError, Ending,
    fate::closed,
    incoming::{self, Incoming, shown},
};
use mcp_protocol::{Era, Message, Method, Notification, Response};
use std::sync::Arc;
use tokio::{
    io::AsyncWriteExt,
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
};

/// Longest line of stderr that is passed on.
const LOG_LINE: usize = 8 << 10;
/// Messages are gathered up to this size before they are written.
const GATHERED: usize = 32 << 10;

/// Writes what is queued until the connection closes; then the pipe closes too.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut queue: mpsc::Receiver<Out>,
    shared: Arc<Shared>,
) {
    let mut text = Vec::new();
    loop {
        let out = tokio::select! {
            biased;
            out = queue.recv() => out,
            () = shared.closing.cancelled() => None,
            () = shared.gone.cancelled() => None,
        };
        let Some(out) = out else { return };
        text.clear();
        gather(out, &shared, &mut text);
        while text.len() < GATHERED {
            let Ok(out) = queue.try_recv() else { break };
            gather(out, &shared, &mut text);
        }
        if stdin.write_all(&text).await.is_err() {
            shared.broken.cancel();
            return;
        }
    }
}

fn gather(out: Out, shared: &Shared, text: &mut Vec<u8>) {
    let message = match out {
        Out::Call(id, message) if shared.waiting.mark_sent(id) => message,
        Out::Call(..) => return,
        Out::Text(message) => message,
    };
    text.extend_from_slice(message.as_bytes());
    text.push(b'\n');
}

/// Reads messages until the pipe ends.
pub(super) async fn read(stdout: ChildStdout, shared: Arc<Shared>) {
    let mut lines = Lines::new(stdout, shared.max_message);
    while let Ok(Some(line)) = lines.next().await {
        match line {
            Line::Whole(line) => take(&line, &shared),
            Line::Cut { head, tail } => too_large(&head, &tail, &shared),
        }
    }
    shared.broken.cancel();
}

/// Passes the lines of stderr on until the pipe ends.
pub(super) async fn log(stderr: ChildStderr, shared: Arc<Shared>) {
    let mut lines = Lines::new(stderr, LOG_LINE);
    while let Ok(Some(line)) = lines.next().await {
        let (Line::Whole(text) | Line::Cut { head: text, .. }) = line;
        let text = shown(&text);
        if !text.is_empty() {
            shared.sink.log_line(&text);
        }
    }
}

fn take(line: &[u8], shared: &Shared) {
    if line.trim_ascii().is_empty() {
        return;
    }
    for item in incoming::read(line) {
        match item {
            Incoming::Message(message) => route(message, shared),
            Incoming::Bad { answers, reason } => {
                shared.sink.log_line(&shown(&[b"not a message: ", line].concat()));
                if let Some(id) = our_id(answers.as_ref()) {
                    shared.waiting.end(id, Err(ClientError::Protocol(reason)));
                }
            }
        }
    }
}

fn too_large(head: &[u8], tail: &[u8], shared: &Shared) {
    let limit = shared.max_message;
    shared.sink.log_line(&format!("a message of more than {limit} bytes was skipped"));
    if let Some(id) = id_in_cut_line(head, tail) {
        shared.waiting.end(id, Err(ClientError::TooLarge { limit }));
    }
}

fn route(message: Message, shared: &Shared) {
    match message {
        Message::Response(Response { id, payload }) => {
            if let Some(id) = our_id(id.as_ref()) {
                shared.waiting.end(id, Ok(payload));
            }
        }
        Message::Request(request) => {
            let era = shared.agreed.get().map_or(Era::Legacy, |revision| revision.era());
            shared.questions.ask(request, era, &shared.sink);
        }
        Message::Notification(notification) => notify(notification, shared),
    }
}

fn notify(notification: Notification, shared: &Shared) {
    let sink = if notification.method == Method::Progress {
        let Some(sink) =
            incoming::progress_of(&notification).and_then(|id| shared.waiting.progress_sink(id))
        else {
            return;
        };
        sink
    } else if notification.method == Method::Cancelled {
        return withdraw(&notification, shared);
    } else {
        incoming::subscription_of(&notification)
            .and_then(|id| shared.waiting.listen_sink(id))
            .flatten()
    };
    sink.as_ref().unwrap_or(&shared.sink).notification(notification);
}

/// Either a question of the server, or a subscription that it ends.
fn withdraw(notification: &Notification, shared: &Shared) {
    let Some(id) = incoming::withdrawn_by(notification) else { return };
    shared.questions.withdraw(&id);
    if let Some(id) = our_id(Some(&id)).filter(|id| shared.waiting.listen_sink(*id).is_some()) {
        shared.waiting.end(id, Err(closed(true, Ending::Withdrawn)));
    }
}
