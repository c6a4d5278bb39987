//! The listener: accepts connections within the limits, speaks HTTP/1.1 and HTTP/2 on them, over TLS or plain, and stops gracefully.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tarn_runtime::Shutdown;
use tarn_types::TlsSession;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::tls::{self, HANDSHAKE, HandshakeError, PLAIN_HTTP_ANSWER, Tls};
use crate::{BoxError, Gateway, Limits};

/// How long to wait after the system refused to accept, as when it is out of file descriptors.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// Most streams of one HTTP/2 connection at one time.
const STREAMS_COUNT_MAX: u32 = 256;

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_time_max)
        // Somewhat more are read, so that the refusal can be the service's own.
        .max_headers(limits.header_count_max.saturating_mul(4));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_COUNT_MAX)
        .max_header_list_size(u32::try_from(limits.header_size_bytes_max).unwrap_or(u32::MAX))
        .adaptive_window(true)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

/// A connection on which HTTP can be spoken.
type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Makes a TLS connection of `socket`, or tells who speaks plain HTTP that this is not the place.
async fn handshake(
    mut socket: TcpStream,
    tls: &Tls,
    limits: &Limits,
) -> Result<(Stream, Option<TlsSession>), HandshakeError> {
    let handshake = async {
        let mut first = [0];
        if socket.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            socket.write_all(PLAIN_HTTP_ANSWER).await?;
            socket.shutdown().await?;
            return Err(HandshakeError::Plain);
        }
        let stream = tls.acceptor().accept(socket).await?;
        let session = tls::session(stream.get_ref().1);
        Ok((Either::Right(stream), session))
    };
    tokio::time::timeout(limits.handshake_time_max, handshake).await.unwrap_or(Err(HandshakeError::Slow))
}

/// Serves `gateway` on `listener`, over `tls` if that is given, until `shutdown` begins; then takes no more connections, lets requests end
/// within the limit, and returns.
pub async fn serve(gateway: Gateway, listener: TcpListener, tls: Option<Tls>, shutdown: Shutdown) -> io::Result<()> {
    let limits = gateway.limits().clone();
    let connections = Arc::new(Semaphore::new(limits.connections_count_max));
    let builder = Arc::new(builder(&limits));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        // Nagle's algorithm against delayed acknowledgements costs 40 ms per answer.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, %peer, "a connection broke before its first request");
            continue;
        }
        let (gateway, builder, watcher, tls) = (gateway.clone(), builder.clone(), graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let (stream, session) = match &tls {
                None => (Either::Left(socket), None),
                Some(tls) => match handshake(socket, tls, gateway.limits()).await {
                    Ok(made) => made,
                    Err(error) => {
                        tracing::debug!(%error, %peer, "a TLS connection did not come to be");
                        return;
                    }
                },
            };
            gateway.metrics().connections.inc();
            let answering = gateway.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let gateway = answering.clone();
                async move {
                    let request = request.map(|body| body.map_err(|error| Box::new(error) as BoxError).boxed_unsync());
                    Ok::<_, Infallible>(gateway.handle(request, peer, session).await)
                }
            });
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                // The other end went away or broke the protocol; nothing of ours.
                tracing::debug!(%error, %peer, "a connection ended early");
            }
            gateway.metrics().connections.dec();
        });
    }
    drop(listener);
    let drained = async {
        graceful.shutdown().await;
        gateway.handlers_ended().await;
    };
    if tokio::time::timeout(limits.shutdown_time_max, drained).await.is_err() {
        tracing::info!(seconds = limits.shutdown_time_max.as_secs(), "requests that did not end in time were cut off");
    }
    Ok(())
}
