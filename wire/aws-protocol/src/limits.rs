//! Named limits of decoding.

/// How much a decoder takes before it refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Deepest nesting of lists, maps and structures.
    pub depth_max: usize,
    /// Most values (list elements, map entries, structure members) in one request.
    pub values_max: usize,
    /// Largest body in bytes.
    pub body_size_bytes_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits { depth_max: 64, values_max: 200_000, body_size_bytes_max: 16 * 1024 * 1024 }
    }
}
