//! How do hits flow to a client without end? Bodies made of chunks, from bounded queues.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use platform::telemetry::{self, Metric};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_stream::Stream;

use super::error::ApiError;
use super::hits;
use crate::answer::{Hit, TailEvent};
use crate::error::QueryError;

/// A chunk is sent when it has this many bytes, or when no more hits are ready.
const CHUNK_BYTES: usize = 64 << 10;
/// A silent stream says that it lives after this long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Chunk = Poll<Option<Result<Bytes, std::convert::Infallible>>>;

/// Hits as NDJSON; an error ends it as a last line `{"error":…}`.
pub(super) struct Lines {
    hits: Receiver<Result<Hit, QueryError>>,
    first: Option<Hit>,
    /// How many hits may still be sent.
    left: u64,
}

impl Lines {
    /// `first` was taken from `hits` already; of all together `limit` are sent.
    pub(super) fn new(
        hits: Receiver<Result<Hit, QueryError>>,
        first: Option<Hit>,
        limit: u64,
    ) -> Self {
        Self { hits, first, left: limit }
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Chunk {
        let mut out = String::new();
        while out.len() < CHUNK_BYTES && self.left > 0 {
            let next = match self.first.take() {
                Some(hit) => Poll::Ready(Some(Ok(hit))),
                None => self.hits.poll_recv(cx),
            };
            match next {
                Poll::Ready(Some(Ok(hit))) => {
                    self.left -= 1;
                    out.push_str(&hits::line(&hit));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.left = 0;
                    let error = ApiError::from(error);
                    telemetry::count_by(Metric::SearchErrors, "type", error.kind, 1);
                    out.push_str(&error.body().to_string());
                }
                Poll::Ready(None) => {
                    self.left = 0;
                    continue;
                }
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
            out.push('\n');
        }
        if self.left == 0 {
            // Whoever still makes hits need not.
            self.hits.close();
        }
        match out.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Ready(Some(Ok(out.into()))),
        }
    }
}

/// New hits as server-sent events, with comments that keep the connection alive.
pub(super) struct Events {
    events: Receiver<TailEvent>,
    alive: Interval,
    greeted: bool,
}

impl Events {
    pub(super) fn new(events: Receiver<TailEvent>) -> Self {
        let mut alive = interval(KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { events, alive, greeted: false }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Chunk {
        let mut out = String::new();
        if !self.greeted {
            // So that a client knows at once that it follows.
            self.greeted = true;
            out.push_str(": following\n\n");
        }
        while out.len() < CHUNK_BYTES {
            match self.events.poll_recv(cx) {
                Poll::Ready(Some(TailEvent::Hit(hit))) => {
                    out.push_str("data: ");
                    out.push_str(&hits::line(&hit));
                    out.push_str("\n\n");
                }
                Poll::Ready(Some(TailEvent::Dropped(count))) => {
                    let data = json!({ "dropped": count });
                    out.push_str(&format!("event: dropped\ndata: {data}\n\n"));
                }
                Poll::Ready(None) if out.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        while self.alive.poll_tick(cx).is_ready() {
            if out.is_empty() {
                out.push_str(": keep-alive\n\n");
            }
        }
        match out.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(Some(Ok(out.into()))),
        }
    }
}
