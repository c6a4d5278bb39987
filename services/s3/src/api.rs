//! The S3 endpoint: limits and configuration of s3s, and the way of one request through it.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use s3s::S3Error;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::region::Region as WireRegion;
use s3s::service::{S3Service, S3ServiceBuilder};
use tarn_objects::select::Selector;
use tarn_objects::{EventSink, Objects, RemoteBuckets};
use tarn_types::Region;

use crate::access::Hooks;
use crate::cors::Asking;
use crate::documents::Document;
use crate::gate::{CallMeta, S3Gate};
use crate::host::Domains;
use crate::logging::Logged;
use crate::operations::Handlers;
use crate::refusals::{Head, Refusals};
use crate::target::{Target, host_of};
use crate::unread::Unread;
use crate::{answer, cors, post, signature_v2, signing, website};

/// The largest XML body: a thousand keys to delete, or ten thousand parts to complete.
pub(crate) const XML_BODY_SIZE_BYTES_MAX: usize = 8 << 20;
/// The largest body of one PUT or part.
const PUT_SIZE_BYTES_MAX: u64 = 5 << 30;
/// The largest signed chunk of an aws-chunked body: s3s holds each one whole in memory to check it.
const SIGNED_CHUNK_SIZE_BYTES_MAX: usize = 16 << 20;
/// The largest form field of a browser's POST.
const FORM_FIELD_SIZE_BYTES_MAX: usize = 64 << 10;

/// How s3s says that an answer holds a character below U+0020.
const NOT_IN_XML: &str = "XML response contains a control character";

/// What may be set differently.
#[derive(Clone)]
pub struct S3Options {
    /// The region that is served; requests signed for another are refused.
    pub region: Region,
    /// Domains under which buckets are host names, besides `localhost`.
    pub domains: Vec<String>,
    /// Who selects from objects by SQL; without one `SelectObjectContent` is not implemented.
    pub selector: Option<Arc<dyn Selector>>,
    /// Who takes the events of buckets; without one no destination is known.
    pub events: Option<Arc<dyn EventSink>>,
    /// Buckets elsewhere that buckets here may be replicated to.
    pub remote_buckets: Option<Arc<dyn RemoteBuckets>>,
    /// Whether a line of an access log ends with the source region, the 27th field.
    pub access_log_source_region: bool,
    /// How long a request's body may pause.
    pub body_pause_time_max: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            region: Region::us_east_1(),
            domains: Vec::new(),
            selector: None,
            events: None,
            remote_buckets: None,
            access_log_source_region: false,
            body_pause_time_max: Duration::from_secs(60),
        }
    }
}

pub(crate) struct Inner {
    pub(crate) objects: Objects,
    pub(crate) gate: Arc<dyn S3Gate>,
    pub(crate) region: Region,
    pub(crate) selector: Option<Arc<dyn Selector>>,
    pub(crate) events: Option<Arc<dyn EventSink>>,
    pub(crate) remote_buckets: Option<Arc<dyn RemoteBuckets>>,
    pub(crate) domains: Domains,
    pub(crate) access_log_source_region: bool,
    pub(crate) body_pause_time_max: Duration,
}

/// The endpoint.
pub struct S3Api {
    service: S3Service,
    /// For requests that are signed for no region.
    regionless: S3Service,
    refusals: Refusals,
    inner: Arc<Inner>,
}

fn service(inner: &Arc<Inner>, config: S3Config) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Handlers(inner.clone()));
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_host(inner.domains.clone());
    // Without an auth provider s3s would ask nobody: see the test `every_operation_refuses`.
    builder.set_auth(Hooks(inner.clone()));
    builder.set_access(Hooks(inner.clone()));
    builder.build()
}

impl S3Api {
    /// Over `objects`, asking `gate` for every operation.
    pub fn new(objects: Objects, gate: Arc<dyn S3Gate>, options: S3Options) -> Self {
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BODY_SIZE_BYTES_MAX;
        config.put_object_max_size = Some(PUT_SIZE_BYTES_MAX);
        config.post_object_max_file_size = PUT_SIZE_BYTES_MAX;
        config.aws_chunked_stream_max_chunk_size = SIGNED_CHUNK_SIZE_BYTES_MAX;
        config.form_max_field_size = FORM_FIELD_SIZE_BYTES_MAX;
        config.form_max_fields_size = XML_BODY_SIZE_BYTES_MAX;
        config.expected_region = WireRegion::new(options.region.as_str().into()).ok();
        config.unsigned_amz_header_allowlist = vec![signing::AMZ_DATE.to_owned()];
        config.sig_v4_allowed_services = vec!["s3".to_owned()];
        // Only where all that matters is signed: see `signature_v2.rs`.
        config.enable_sig_v2 = true;
        let refusals = Refusals::new(gate.clone(), &options.domains);
        let domains = Domains::new(&options.domains);
        let inner = Arc::new(Inner {
            objects,
            gate,
            region: options.region,
            selector: options.selector,
            events: options.events,
            remote_buckets: options.remote_buckets,
            domains,
            access_log_source_region: options.access_log_source_region,
            body_pause_time_max: options.body_pause_time_max,
        });
        let here = service(&inner, config.clone());
        config.expected_region = None;
        Self { service: here, regionless: service(&inner, config), refusals, inner }
    }

    /// Answers one request.
    pub async fn call(&self, request: Request<s3s::Body>, meta: CallMeta) -> Response<s3s::Body> {
        let (request_id, path) = (meta.request_id.clone(), request.uri().path().to_owned());
        let (is_head, is_preflight) = (request.method() == Method::HEAD, request.method() == Method::OPTIONS);
        let host = host_of(&request);
        let website = self.inner.domains.website_bucket(host, self.inner.region.as_str()).map(str::to_owned);
        let target = match &website {
            Some(bucket) => Target::at(Some(bucket), request.uri()),
            None => Target::of(&self.inner.domains, &request),
        };
        let asking = Asking::of(request.method(), request.headers());
        let mut logged = Logged::of(&self.inner, &target, &request, &meta, website.is_some());
        let (request, unread) = Unread::watch(request, self.inner.body_pause_time_max);
        // Boxed here: each of the futures around it would hold its kilobytes once more, and move them.
        let answering = Box::pin(async {
            if is_preflight {
                cors::preflight(&self.inner, &target, request.headers())
            } else if let Some(bucket) = website {
                website::visit(self, &bucket, request, &meta).await
            } else if post::is_form(&target, &request) {
                post::post_object(self, &target, request, &meta).await
            } else {
                self.serve(request, meta).await
            }
        });
        let mut response = match &mut logged {
            Some(logged) => logged.watch(answering).await,
            None => answering.await,
        };
        if unread.was_slow() {
            response = answer::too_slow();
        }
        if let Some(asking) = asking.filter(|_| !is_preflight) {
            cors::allow(&self.inner, &target, &asking, &mut response);
        }
        unread.settle(&mut response).await;
        let response = answer::complete(response, &request_id, is_head, &path);
        match logged {
            Some(logged) => logged.finish(response),
            None => response,
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Hands a request to s3s: signature, permission, operation.
    pub(crate) async fn serve(&self, mut request: Request<s3s::Body>, meta: CallMeta) -> Response<s3s::Body> {
        signing::complete(request.headers_mut());
        let refused = signature_v2::ready(&mut request, meta.time.as_millisecond()).err();
        let head = Head::keep(&mut request);
        request.extensions_mut().insert(meta.clone());
        let (request, document) = Document::watch(request, &self.inner.domains);
        let answer = match refused {
            Some(refused) => refused.to_http_response().map_err(|error| error.to_string()),
            None => self.service_for(&request).call(request).await.map_err(|error| error.to_string()),
        };
        let mut response = match answer {
            // Keys may hold what XML cannot, and a listing would have to show them.
            Ok(response) if answer::failed_for(&response, NOT_IN_XML) => answer::not_in_xml(),
            Ok(response) => response,
            Err(error) => {
                tracing::error!(error, request_id = meta.request_id, "an S3 answer could not be written");
                answer::internal_error()
            }
        };
        document.settle(&mut response);
        self.refusals.record(head, &meta, response).await
    }

    /// The service that takes what the request was signed for. Clients that are told no region sign for an empty one, and a lake has
    /// one only; AWS, which has many, refuses them.
    fn service_for(&self, request: &Request<s3s::Body>) -> &S3Service {
        if signing::is_regionless(request.headers(), request.uri().query().unwrap_or_default()) {
            &self.regionless
        } else {
            &self.service
        }
    }

    /// Answers a request that goes no further, and has the audit told.
    pub(crate) async fn refuse(&self, head: Head, meta: &CallMeta, error: &S3Error) -> Response<s3s::Body> {
        self.refusals.record(head, meta, answer::of_error(error)).await
    }
}
