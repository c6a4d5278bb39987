//! `tarn-load`: S3 requests as fast as a server takes them, one HTTP/1.1 connection per worker, signed. Prints one line of JSON.
//! Knows no particular server: the same load goes to a peer.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::prelude::*;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
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
    /// Delete the objects a `put` of the same options made, 1,000 a request.
    Delete,
}

/// Keys of one DeleteObjects request: as many as S3 takes.
const KEYS_PER_DELETE: u64 = 1000;

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
    /// The number of the first key.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Keys that `get` draws from, and that `delete` deletes.
    #[arg(long, default_value_t = 1000)]
    keys: u64,
    /// How many folders the keys are spread over.
    #[arg(long, default_value_t = 1)]
    folders: u64,
    /// What `list` folds keys at.
    #[arg(long)]
    delimiter: Option<String>,
    /// `list` over and over, until the time is up.
    #[arg(long)]
    again: bool,
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

impl Options {
    fn key(&self, number: u64) -> String {
        format!("load-{:04}/{number:08}", number % self.folders)
    }
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
        if parts.method == Method::POST {
            let digest = BASE64_STANDARD.encode(Md5::digest(&body));
            parts.headers.insert("content-md5", digest.parse()?);
        }
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
        Load::Put | Load::Get | Load::Delete => objects(options).await,
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
                let path = |number| format!("/{}/{}", options.bucket, options.key(options.first + number));
                let sent = Instant::now();
                match options.load {
                    Load::Get => {
                        let path = path(number % options.keys);
                        let size = connection.download(&path).await?;
                        if size != options.size {
                            return Err(format!("{path} has {size} bytes").into());
                        }
                    }
                    Load::Delete => {
                        let first = number * KEYS_PER_DELETE;
                        let keys = first..options.keys.min(first + KEYS_PER_DELETE);
                        if keys.is_empty() {
                            break;
                        }
                        let objects: String =
                            keys.map(|number| format!("<Object><Key>{}</Key></Object>", options.key(number))).collect();
                        let body = format!("<Delete>{objects}<Quiet>true</Quiet></Delete>");
                        let path = format!("/{}?delete=", options.bucket);
                        let answer = connection.request(Method::POST, &path, body.into()).await?;
                        if answer.windows(7).any(|tag| tag == b"<Error>") {
                            return Err(String::from_utf8_lossy(&answer).into_owned().into());
                        }
                    }
                    Load::Put | Load::List => {
                        drop(connection.request(Method::PUT, &path(number), payload.clone()).await?)
                    }
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
    let (mut keys, mut prefixes, mut pages, mut lists) = (0u64, 0u64, 0u64, 0u64);
    let mut token = None::<String>;
    let began = Instant::now();
    let deadline = began + Duration::from_secs_f64(options.seconds);
    loop {
        // In the order that a signature wants.
        let mut query = Vec::new();
        query.extend(token.as_deref().map(|token| format!("continuation-token={}", encode(token))));
        query.extend(options.delimiter.as_deref().map(|delimiter| format!("delimiter={}", encode(delimiter))));
        query.push("list-type=2".to_owned());
        let path = format!("/{}?{}", options.bucket, query.join("&"));
        let page = connection.request(Method::GET, &path, Bytes::new()).await?;
        let text = std::str::from_utf8(&page)?;
        keys += text.matches("<Key>").count() as u64;
        prefixes += text.matches("<CommonPrefixes>").count() as u64;
        pages += 1;
        token = text
            .split_once("<NextContinuationToken>")
            .and_then(|(_, rest)| rest.split_once('<'))
            .map(|(token, _)| token.to_owned());
        lists += u64::from(token.is_none());
        if Instant::now() >= deadline || (token.is_none() && !options.again) {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "keys": keys, "prefixes": prefixes, "pages": pages, "lists": lists, "seconds": seconds,
            "keys_per_second": keys as f64 / seconds, "pages_per_second": pages as f64 / seconds,
        })
    );
    Ok(())
}

fn encode(token: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    token.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
