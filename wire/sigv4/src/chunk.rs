//! Signatures of a body sent in signed chunks, each over the one before it; the first is over the request's own.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use crate::SigningKey;
use crate::sha256;

/// A checked (or just made) signature, with what is needed to go on from it.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(crate) key: SigningKey,
    pub(crate) amz_date: String,
    pub(crate) scope: String,
    pub(crate) signature: [u8; 32],
}

impl Seed {
    /// The request's signature in hexadecimal.
    pub fn signature(&self) -> String {
        hex::encode(self.signature)
    }

    /// The signatures of the body's chunks.
    pub fn chunks(&self) -> ChunkSignatures {
        ChunkSignatures { seed: self.clone(), previous: self.signature() }
    }
}

/// The running signature of a chunked body.
#[derive(Debug, Clone)]
pub struct ChunkSignatures {
    seed: Seed,
    previous: String,
}

impl ChunkSignatures {
    /// The signature of the next chunk, whose data has the digest `data_sha256`; the last chunk is empty.
    pub fn chunk(&mut self, data_sha256: [u8; 32]) -> String {
        let Seed { amz_date, scope, .. } = &self.seed;
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{amz_date}\n{scope}\n{}\n{}\n{}",
            self.previous,
            hex::encode(sha256(b"")),
            hex::encode(data_sha256)
        );
        self.advance(&text)
    }

    /// The signature of the trailing headers, given as they stand on the wire, each line ended by a newline alone.
    pub fn trailer(&mut self, canonical_trailer: &[u8]) -> String {
        let Seed { amz_date, scope, .. } = &self.seed;
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{amz_date}\n{scope}\n{}\n{}",
            self.previous,
            hex::encode(sha256(canonical_trailer))
        );
        self.advance(&text)
    }

    /// Whether `claimed` is the signature of the next chunk; compares in constant time, and goes on only if it is.
    pub fn accepts_chunk(&mut self, data_sha256: [u8; 32], claimed: &str) -> bool {
        let mut next = self.clone();
        let accepted = is_same(&next.chunk(data_sha256), claimed);
        if accepted {
            *self = next;
        }
        accepted
    }

    /// Whether `claimed` is the signature of the trailing headers; compares in constant time.
    pub fn accepts_trailer(&mut self, canonical_trailer: &[u8], claimed: &str) -> bool {
        let mut next = self.clone();
        let accepted = is_same(&next.trailer(canonical_trailer), claimed);
        if accepted {
            *self = next;
        }
        accepted
    }

    fn advance(&mut self, text: &str) -> String {
        self.previous = hex::encode(self.seed.key.sign(text.as_bytes()));
        self.previous.clone()
    }
}

fn is_same(computed: &str, claimed: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(computed.as_bytes(), claimed.as_bytes()).is_ok()
}
