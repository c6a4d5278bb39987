//! `tarn-load`: S3 requests as fast as a server takes them, one HTTP/1.1 connection per worker, signed. Prints one line of JSON.
//! Knows no particular server: the same load goes to a peer.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tarn_runtime::{Clock, SystemClock};
use tarn_sigv4::{Payload, Signer};
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy, ValueEnum)]
enum Load {
    /// PUT objects of `--size` bytes, each at a key of its own.
    Put,
    /// GET the objects a `put` of the same options made.
    Get,
    /// List the bucket from its first key to its last, page after page.
    List,
}

#[derive(Parser, Clone)]
struct Options {
    load: Load,
    #[arg(long)]
    endpoint: Uri,
    #[arg(long)]
    bucket: String,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Stop after this long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Stop after this many requests.
    #[arg(long, default_value_t = u64::MAX)]
    requests: u64,
    /// Keys that `get` draws from.
    #[arg(long, default_value_t = 1000)]
    keys: u64,
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    access_key_id: String,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
    #[arg(long, default_value = "us-east-1")]
    region: String,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    options: Options,
    signer: Signer,
}

impl Connection {
    async fn open(options: Options) -> Result<Self, Failure> {
        let authority = options.endpoint.authority().ok_or("the endpoint has no host")?.clone();
        let stream = TcpStream::connect(authority.as_str()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
        let signer = Signer {
            access_key_id: options.access_key_id.clone(),
            secret_access_key: options.secret_access_key.clone(),
            session_token: None,
            region: options.region.clone(),
            service: "s3".to_owned(),
        };
        Ok(Self { sender, options, signer })
    }

    /// Sends one request and gives the head of its answer.
    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Failure> {
        let base = self.options.endpoint.to_string();
        let uri: Uri = format!("{}{path}", base.trim_end_matches('/')).parse()?;
        let request = Request::builder().method(method).uri(uri).body(())?;
        let (mut parts, ()) = request.into_parts();
        self.signer.sign(&mut parts, Payload::Unsigned, SystemClock.now())?;
        // An origin server is sent the path alone.
        parts.uri = parts.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(Request::from_parts(parts, Full::new(body))).await?)
    }

    /// Sends one request and reads its whole answer.
    async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(answer)
    }

    /// Gets an object and throws its bytes away as they come, so that the client's memory is not what is measured; how many came.
    async fn download(&mut self, path: &str) -> Result<usize, Failure> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        let (status, mut body) = (response.status(), response.into_body());
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body.collect().await?.to_bytes())).into());
        }
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            size += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(size)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    match options.load {
        Load::Put | Load::Get => objects(options).await,
        Load::List => list(options).await,
    }
}

async fn objects(options: Options) -> Result<(), Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let payload = Bytes::from((0..options.size).map(|at| (at * 31 % 251) as u8).collect::<Vec<u8>>());
    let began = Instant::now();
    let deadline = began + Duration::from_secs_f64(options.seconds);
    let workers = (0..options.connections).map(|_| {
        let (options, next, payload) = (options.clone(), next.clone(), payload.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(options.clone()).await?;
            let mut latencies = Vec::new();
            while Instant::now() < deadline {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= options.requests {
                    break;
                }
                let key = number % if matches!(options.load, Load::Get) { options.keys } else { u64::MAX };
                let path = format!("/{}/load/{:08}", options.bucket, key);
                let sent = Instant::now();
                match options.load {
                    Load::Get => {
                        let size = connection.download(&path).await?;
                        if size != options.size {
                            return Err(format!("{path} has {size} bytes").into());
                        }
                    }
                    Load::Put | Load::List => drop(connection.request(Method::PUT, &path, payload.clone()).await?),
                }
                latencies.push(sent.elapsed());
            }
            Ok::<_, Failure>(latencies)
        })
    });
    let mut latencies: Vec<Duration> = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        latencies.extend(worker.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 - 1.0) * share).max(0.0) as usize;
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    let count = latencies.len() as f64;
    println!(
        "{}",
        serde_json::json!({
            "requests": latencies.len(), "seconds": seconds, "per_second": count / seconds,
            "mb_per_second": count * options.size as f64 / seconds / 1e6,
            "p50_ms": at(0.5), "p99_ms": at(0.99),
        })
    );
    Ok(())
}

async fn list(options: Options) -> Result<(), Failure> {
    let mut connection = Connection::open(options.clone()).await?;
    let (mut keys, mut pages, mut token) = (0u64, 0u64, None::<String>);
    let began = Instant::now();
    loop {
        let path = match &token {
            None => format!("/{}?list-type=2", options.bucket),
            Some(token) => format!("/{}?continuation-token={token}&list-type=2", options.bucket),
        };
        let page = connection.request(Method::GET, &path, Bytes::new()).await?;
        let text = std::str::from_utf8(&page)?;
        keys += text.matches("<Key>").count() as u64;
        pages += 1;
        token = text
            .split_once("<NextContinuationToken>")
            .and_then(|(_, rest)| rest.split_once('<'))
            .map(|(token, _)| encode(token));
        if token.is_none() {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "keys": keys, "pages": pages, "seconds": seconds, "keys_per_second": keys as f64 / seconds })
    );
    Ok(())
}

fn encode(token: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    token.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
