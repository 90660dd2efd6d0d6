//! The three pipes of a child process: what we write, what it answers, what it logs.

use super::{
    Shared, id_in_cut_line,
    lines::{Line, Lines},
};
use crate::{ClientError, exchange::Out, incoming::shown};
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
        Out::Call(id, message) if shared.inbox.waiting.mark_sent(id) => message,
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
            shared.inbox.sink.log_line(&text);
        }
    }
}

fn take(line: &[u8], shared: &Shared) {
    if line.trim_ascii().is_empty() {
        return;
    }
    shared.inbox.take(line);
}

fn too_large(head: &[u8], tail: &[u8], shared: &Shared) {
    let limit = shared.max_message;
    shared.inbox.sink.log_line(&format!("a message of more than {limit} bytes was skipped"));
    if let Some(id) = id_in_cut_line(head, tail) {
        shared.inbox.waiting.end(id, Err(ClientError::TooLarge { limit }));
    }
}
