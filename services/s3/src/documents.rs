//! Bodies that s3s reads whole: XML and JSON documents. What the caller says of their bytes (`Content-MD5`, `x-amz-checksum-*`) is held
//! against them here, since s3s does not, and a body that breaks off is told as the caller's. Knows no operation and no document.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use s3s::{Body, S3Error, S3ErrorCode, StdError};
use tarn_objects::RunningDigests;

use crate::answer;
use crate::convert::expected_digests;
use crate::errors::objects_error;
use crate::host::Domains;

type Verdict = Arc<Mutex<Option<S3Error>>>;

/// What opens a section of XML that s3s reads as if it were not there: a rule for one prefix would become a rule for everything.
const SECTION: &[u8] = b"<![CDATA[";

/// What is to be said of a body once it has been read.
enum Check {
    /// Whether its bytes are those that were said.
    Digests(Box<RunningDigests>),
    /// That what was said of it makes no sense.
    Refuse(S3Error),
    /// Nothing more.
    Done,
}

/// A document's body on its way to s3s.
struct Checked {
    body: Body,
    check: Check,
    verdict: Verdict,
    /// The last bytes that came, in which a `SECTION` may have begun.
    tail: Vec<u8>,
}

impl Checked {
    /// Whether a `SECTION` is in what came, with `bytes` at its end.
    fn has_section(&mut self, bytes: &[u8]) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(SECTION.len()).any(|window| window == SECTION);
        let seam = SECTION.len() - 1;
        self.tail.extend(bytes.iter().take(seam));
        let found = is_in(&self.tail) || is_in(bytes);
        if bytes.len() >= seam {
            self.tail.clear();
            self.tail.extend(&bytes[bytes.len() - seam..]);
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(seam));
        }
        found
    }

    /// Ends the body with an error that `Document::settle` answers.
    fn refuse(&mut self, error: S3Error) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let said = error.code().as_str().to_owned();
        *self.verdict.lock() = Some(error);
        Poll::Ready(Some(Err(said.into())))
    }
}

impl http_body::Body for Checked {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if frame.data_ref().is_some_and(|bytes| self.has_section(bytes)) {
                    return self.refuse(S3Error::with_message(
                        S3ErrorCode::MalformedXML,
                        "The XML has a CDATA section; write its text with &lt; and &amp; instead.",
                    ));
                }
                if let (Check::Digests(digests), Some(bytes)) = (&mut self.check, frame.data_ref()) {
                    digests.update(bytes);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => match std::mem::replace(&mut self.check, Check::Done) {
                Check::Digests(digests) => match digests.finish() {
                    Ok(()) => Poll::Ready(None),
                    Err(error) => self.refuse(objects_error(error)),
                },
                Check::Refuse(error) => self.refuse(error),
                Check::Done => Poll::Ready(None),
            },
            Poll::Ready(Some(Err(_))) => self.refuse(S3Error::new(S3ErrorCode::IncompleteBody)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Not before it is checked.
    fn is_end_stream(&self) -> bool {
        matches!(self.check, Check::Done) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What became of a document's body, if the request has one.
pub(crate) struct Document(Option<Verdict>);

impl Document {
    /// Watches over the body of `request` if it is a document.
    pub(crate) fn watch(request: Request<Body>, domains: &Domains) -> (Request<Body>, Self) {
        if !is_document(&request, domains) {
            return (request, Self(None));
        }
        let mut said = request.headers().clone();
        if completes_upload(&request) {
            // There, a checksum is that of the object to be.
            let md5 = said.remove("content-md5");
            said.clear();
            said.extend(md5.map(|md5| (HeaderName::from_static("content-md5"), md5)));
        }
        let check = match expected_digests(&said, None) {
            Ok(expected) => Check::Digests(Box::new(expected.start())),
            // Told once the caller is known to be allowed to send it.
            Err(error) => Check::Refuse(error),
        };
        let verdict = Verdict::default();
        let watched = verdict.clone();
        let request =
            request.map(|body| Body::http_body_unsync(Checked { body, check, verdict: watched, tail: Vec::new() }));
        (request, Self(Some(verdict)))
    }

    /// Call with the answer: where the body was read and found wrong, s3s could only say that it failed.
    pub(crate) fn settle(self, response: &mut Response<Body>) {
        let error = self.0.and_then(|verdict| verdict.lock().take());
        if let Some(error) = error.filter(|_| response.status().is_server_error()) {
            *response = answer::of_error(&error);
        }
    }
}

/// Everything that is posted, forms of browsers aside, and what is put on a bucket or on a sub-resource of an object.
fn is_document(request: &Request<Body>, domains: &Domains) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("x-amz-content-sha256").starts_with("STREAMING-") || text("content-type").starts_with("multipart/") {
        return false;
    }
    const OF_BYTES: [&str; 4] = ["partNumber", "uploadId", "x-id", ""];
    let query = request.uri().query().unwrap_or_default();
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let names_sub_resource = names.any(|name| !OF_BYTES.contains(&name) && !is_signature(name));
    match *request.method() {
        Method::POST => true,
        Method::PUT => names_sub_resource || !domains.names_object(text("host"), request.uri().path()),
        _ => false,
    }
}

fn completes_upload(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId="))
}

fn is_signature(name: &str) -> bool {
    name.starts_with("X-Amz-") || ["AWSAccessKeyId", "Signature", "Expires"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_wherever_it_is_cut() {
        let check = |text: &[u8], expected: bool| {
            for size in 1..=text.len() {
                let (body, verdict) = (Body::empty(), Verdict::default());
                let mut checked = Checked { body, check: Check::Done, verdict, tail: Vec::new() };
                let found = text.chunks(size).any(|bytes| checked.has_section(bytes));
                assert_eq!(found, expected, "{:?} in pieces of {size}", String::from_utf8_lossy(text));
            }
        };
        check(b"<Prefix><![CDATA[logs/]]></Prefix>", true);
        check(b"<![CDATA[", true);
        check(b"<Prefix>logs/</Prefix>", false);
        check(b"<![CDATA <!-- [CDATA[ --> <![CDATA", false);
    }
}
