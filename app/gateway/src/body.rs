//! Bodies in and out: one boxed type, and reading one whole within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// Any error, to be logged and not shown.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body of a request or response, streamed.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body known whole, sent with its head in one write.
pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than the operation takes.
    #[error("the body is larger than {size_bytes_max} bytes")]
    TooLarge {
        /// The limit.
        size_bytes_max: usize,
    },
    /// Nothing came for too long.
    #[error("the body paused for more than {seconds} seconds")]
    TooSlow {
        /// The limit.
        seconds: u64,
    },
    /// The connection ended or broke the protocol.
    #[error("the body broke off: {source}")]
    Broken {
        /// How.
        source: BoxError,
    },
}

/// Reads `body` whole.
pub(crate) async fn read_whole(
    mut body: Body,
    size_bytes_max: usize,
    pause_time_max: Duration,
) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(pause_time_max, body.frame()).await {
            Err(_) => return Err(BodyError::TooSlow { seconds: pause_time_max.as_secs() }),
            Ok(None) => break,
            Ok(Some(Err(source))) => return Err(BodyError::Broken { source }),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > size_bytes_max {
            return Err(BodyError::TooLarge { size_bytes_max });
        }
        // A small body comes in one frame; it is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
