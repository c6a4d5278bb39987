//! What becomes of a request's body that nobody read: it is drained if it is small, and otherwise the connection is closed and the
//! caller is told so. A connection that is closed without a word fails the caller's next request on it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use s3s::{Body, StdError};
use tokio::time::{Instant, Sleep, sleep};

/// How much is read only to be thrown away.
const DRAIN_SIZE_BYTES_MAX: u64 = 1 << 20;
/// For how long.
const DRAIN_SECONDS_MAX: u64 = 2;

type Slot = Arc<std::sync::Mutex<Option<Body>>>;

/// A body that comes back when its reader lets go of it before the end, and that is given up when nothing of it comes for too long.
struct Lent {
    body: Option<Body>,
    slot: Slot,
    pause: Option<Pin<Box<Sleep>>>,
    pause_time_max: Duration,
    was_slow: Arc<AtomicBool>,
}

/// Nothing of a body came for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing of the request's body came for too long")]
struct TooSlow;

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        let pause_time_max = self.pause_time_max;
        match &polled {
            Poll::Ready(None | Some(Err(_))) => self.body = None,
            Poll::Ready(Some(Ok(_))) => {
                if let Some(pause) = &mut self.pause {
                    pause.as_mut().reset(Instant::now() + pause_time_max);
                }
            }
            Poll::Pending => {
                let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(pause_time_max)));
                if pause.as_mut().poll(cx).is_ready() {
                    self.was_slow.store(true, Ordering::Release);
                    self.body = None;
                    return Poll::Ready(Some(Err(Box::new(TooSlow))));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(body);
        }
    }
}

/// Keeps watch over the body of one request.
pub(crate) struct Unread {
    slot: Slot,
    was_slow: Arc<AtomicBool>,
    waits_for_word: bool,
    is_version_1: bool,
}

impl Unread {
    /// Lends the request its body, of which something must come every `pause_time_max`.
    pub(crate) fn watch(request: Request<Body>, pause_time_max: Duration) -> (Request<Body>, Self) {
        let (slot, was_slow) = (Slot::default(), Arc::<AtomicBool>::default());
        let waits_for_word = request.headers().contains_key(EXPECT);
        let is_version_1 = request.version() <= Version::HTTP_11;
        let unread = Self { slot: slot.clone(), was_slow: was_slow.clone(), waits_for_word, is_version_1 };
        if request.body().is_end_stream() {
            return (request, unread);
        }
        let lend = |body| Lent { body: Some(body), slot, pause: None, pause_time_max, was_slow };
        (request.map(|body| Body::http_body_unsync(lend(body))), unread)
    }

    /// Whether the body was given up because nothing came. Its request was not done.
    pub(crate) fn was_slow(&self) -> bool {
        self.was_slow.load(Ordering::Acquire)
    }

    /// Call with the answer, before it is sent.
    pub(crate) async fn settle(self, response: &mut Response<Body>) {
        let left = self.slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(body) = left else { return };
        // To read on would be to ask a caller for bytes that it holds back until it is told to send them.
        let drained = !self.waits_for_word
            && tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS_MAX), drain(body)).await.unwrap_or(false);
        if !drained && self.is_version_1 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

async fn drain(mut body: Body) -> bool {
    let mut left_bytes = DRAIN_SIZE_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let size_bytes = match frame {
            Ok(frame) => frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
            Err(_) => return false,
        };
        match left_bytes.checked_sub(size_bytes) {
            Some(left) => left_bytes = left,
            None => return false,
        }
    }
    true
}
