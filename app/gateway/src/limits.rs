//! How much one caller, and all together, may take of the server.

use std::time::Duration;

/// The gateway's limits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes of a request's headers.
    pub header_size_bytes_max: usize,
    /// Most headers of a request.
    pub header_count_max: usize,
    /// Largest body of a request to a service other than S3, in the JSON protocols.
    pub body_json_size_bytes_max: usize,
    /// Largest body of a request in the query protocol.
    pub body_query_size_bytes_max: usize,
    /// Most bytes of such bodies held at one time, over all requests.
    pub bodies_size_bytes_max: usize,
    /// Most requests at one time; the next is answered 503.
    pub requests_count_max: usize,
    /// Most connections at one time; the next waits to be accepted.
    pub connections_count_max: usize,
    /// How long a connection may take for a request's headers, or stay idle.
    pub header_read_time_max: Duration,
    /// How long a body may pause between two reads.
    pub body_pause_time_max: Duration,
    /// Most requests without a right signature from one address at once; each second gives one back. Those beyond it are told to slow down,
    /// and are not written down one by one.
    pub signature_failures_count_max: u32,
    /// Most refusals of one address that says nothing of who it is that are put on record at once; each second gives one back. Those beyond
    /// it are answered alike, and their number is put on record.
    pub refusal_records_count_max: u32,
    /// How long a connection may take for its TLS handshake.
    pub handshake_time_max: Duration,
    /// How long requests may go on once a stop is asked for.
    pub shutdown_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_size_bytes_max: 64 * 1024,
            header_count_max: 256,
            body_json_size_bytes_max: 16 * 1024 * 1024,
            body_query_size_bytes_max: 1024 * 1024,
            bodies_size_bytes_max: 256 * 1024 * 1024,
            requests_count_max: 4_096,
            connections_count_max: 4_096,
            header_read_time_max: Duration::from_secs(90),
            body_pause_time_max: Duration::from_secs(60),
            signature_failures_count_max: 300,
            refusal_records_count_max: 300,
            handshake_time_max: Duration::from_secs(10),
            shutdown_time_max: Duration::from_secs(20),
        }
    }
}
