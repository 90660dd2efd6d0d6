//! One session in memory, with its streams and calls.

use crate::{
    Change, Restored, SessionRecord, Status, StoredCall, StoredEvent, StoredStream, UtcMillis,
};
use mcp_telemetry::Reason;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// One session in memory.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: SessionRecord,
    pub(super) streams: BTreeMap<u64, StoredStream>,
    calls: HashMap<Arc<str>, StoredCall>,
}

impl Held {
    pub(super) fn new(record: SessionRecord) -> Self {
        Self { record, streams: BTreeMap::new(), calls: HashMap::new() }
    }

    /// Applies a change; how many bytes of events went with it.
    pub(super) fn note(&mut self, at: UtcMillis, change: Change) -> usize {
        let record = &mut self.record;
        match change {
            Change::Initialized => record.initialized = true,
            Change::Active(counts) => {
                record.last_activity = record.last_activity.max(at);
                record.counts = counts;
            }
            Change::LogLevel(level) => record.log_level = Some(level),
            Change::Subscriptions(all) => record.subscriptions = all,
            Change::Resume(resume) => record.resume = resume,
            Change::Happened(..) => {}
            Change::Disconnected(reason, _) => {
                record.status = Status::Disconnected { at, reason };
                if reason == Reason::ClientDeleted {
                    self.calls.clear();
                    return std::mem::take(&mut self.streams).values().map(bytes).sum();
                }
            }
            Change::StreamOpened { stream, request } => {
                let stream = self.stream(stream);
                stream.request = request.or(stream.request.take());
            }
            Change::Event { stream, number, json } => {
                let stream = self.stream(stream);
                stream.last = stream.last.max(number);
                stream.events.push(StoredEvent { number, json, at });
            }
            Change::Acknowledged { stream, up_to } => {
                let stream = self.stream(stream);
                stream.acknowledged = stream.acknowledged.max(up_to);
                let before = bytes(stream);
                stream.events.retain(|event| event.number > up_to);
                return before - bytes(stream);
            }
            Change::StreamClosed { stream } => self.stream(stream).closed = Some(at),
            Change::StreamForgotten { stream } => {
                let freed = bytes(self.stream(stream));
                self.streams.remove(&stream);
                return freed;
            }
            Change::CallStarted { request, method, stream } => {
                let id = Arc::clone(&request);
                self.calls.insert(id, StoredCall { request, method, stream, started: at });
            }
            Change::CallEnded { request } => drop(self.calls.remove(&request)),
        }
        0
    }

    /// The stream of that number, made if it is not there.
    fn stream(&mut self, number: u64) -> &mut StoredStream {
        self.record.streams = self.record.streams.max(number);
        self.streams.entry(number).or_insert_with(|| StoredStream {
            stream: number,
            request: None,
            last: 0,
            acknowledged: 0,
            closed: None,
            events: Vec::new(),
        })
    }

    /// Everything but events as old as `stale`.
    pub(super) fn restored(&self, stale: UtcMillis) -> Restored {
        let mut streams: Vec<StoredStream> = self.streams.values().cloned().collect();
        for stream in &mut streams {
            stream.events.retain(|event| event.at > stale);
        }
        let mut calls: Vec<StoredCall> = self.calls.values().cloned().collect();
        calls.sort_by(|one, other| {
            (one.started, &one.request).cmp(&(other.started, &other.request))
        });
        Restored { session: self.record.clone(), streams, calls }
    }

    pub(super) fn bytes(&self) -> usize {
        self.streams.values().map(bytes).sum()
    }
}

/// Bytes of the events of a stream.
pub(super) fn bytes(stream: &StoredStream) -> usize {
    stream.events.iter().map(|event| event.json.len()).sum()
}
