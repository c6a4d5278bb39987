//! A service with every kind of member, in tables as the generator writes them.

#![allow(dead_code, reason = "some structures are met only as tables")]

use std::collections::BTreeMap;

use crate::schema::{Location, Member, Schema, TimestampFormat};
use crate::{
    Bytes, Document, ErrorModel, Fault, Operation, OperationModel, Protocol, ServiceModel, Timestamp, Unit, structure,
};

pub static NAME: Schema = Schema::string("Name").length_min(1).length_max(8).pattern("[a-z]+");
pub static SIZE: Schema = Schema::enumeration("Size", &["SMALL", "LARGE"]);
pub static SECRET: Schema = Schema::string("Secret").length_max(4).sensitive();
pub static TEXT: Schema = Schema::string("Text");
pub static FLAG: Schema = Schema::boolean("Flag");
pub static COUNT: Schema = Schema::integer("Count").value_min(0.0).value_max(100.0);
pub static BIG: Schema = Schema::long("Big");
pub static RATIO: Schema = Schema::double("Ratio");
pub static DATA: Schema = Schema::blob("Data").length_max(16);
pub static MOMENT: Schema = Schema::timestamp("Moment");
pub static ANY: Schema = Schema::document("Any");
pub static NAMES: Schema = Schema::list("Names", Member::new("member", &NAME)).length_max(3);
pub static FLAT_NAMES: Schema = Schema::list("FlatNames", Member::new("member", &TEXT).wire("Item"));
pub static THINGS: Schema = Schema::list("Things", Member::new("member", &THING));
pub static TAGS: Schema = Schema::map("Tags", Member::new("key", &NAME), Member::new("value", &TEXT));

structure! {
    Thing, THING, structure "Thing" [];
    name: String = Member::new("Name", &NAME).required();
    size: String = Member::new("Size", &SIZE);
    secret: String = Member::new("Secret", &SECRET);
    flag: bool = Member::new("Flag", &FLAG);
    count: i32 = Member::new("Count", &COUNT);
    big: i64 = Member::new("Big", &BIG);
    ratio: f64 = Member::new("Ratio", &RATIO);
    data: Bytes = Member::new("Data", &DATA);
    moment: Timestamp = Member::new("Moment", &MOMENT);
    http_moment: Timestamp = Member::new("HttpMoment", &MOMENT).timestamp_format(TimestampFormat::HttpDate);
    any: Document = Member::new("Any", &ANY);
    names: Vec<String> = Member::new("Names", &NAMES);
    flat_names: Vec<String> = Member::new("FlatNames", &FLAT_NAMES).flattened();
    things: Vec<Thing> = Member::new("Things", &THINGS);
    tags: BTreeMap<String, String> = Member::new("Tags", &TAGS);
    flat_tags: BTreeMap<String, String> = Member::new("FlatTags", &TAGS).flattened();
    kin: Box<Thing> = Member::new("Kin", &THING).wire("kin");
}

structure! {
    RestInput, REST_INPUT, structure "RestInput" [];
    label: String = Member::new("Label", &TEXT).wire("label").at(Location::Uri).required();
    rest: String = Member::new("Rest", &TEXT).wire("rest").at(Location::Uri).required();
    limit: i32 = Member::new("Limit", &COUNT).wire("limit").at(Location::QueryString);
    parts: Vec<String> = Member::new("Parts", &FLAT_NAMES).wire("part").at(Location::QueryString);
    header: String = Member::new("Header", &TEXT).wire("x-header").at(Location::Header);
    since: Timestamp = Member::new("Since", &MOMENT).wire("x-since").at(Location::Header);
    list: Vec<String> = Member::new("List", &FLAT_NAMES).wire("x-list").at(Location::Header);
    meta: BTreeMap<String, String> = Member::new("Meta", &TAGS).wire("x-meta-").at(Location::HeaderPrefix);
    body: String = Member::new("Body", &TEXT);
    things: Vec<Thing> = Member::new("Things", &THINGS);
}

structure! {
    RestOutput, REST_OUTPUT, structure "RestOutput" [];
    status: i32 = Member::new("Status", &COUNT).at(Location::StatusCode);
    header: String = Member::new("Header", &TEXT).wire("x-header").at(Location::Header);
    since: Timestamp = Member::new("Since", &MOMENT).wire("x-since").at(Location::Header);
    list: Vec<String> = Member::new("List", &FLAT_NAMES).wire("x-list").at(Location::Header);
    meta: BTreeMap<String, String> = Member::new("Meta", &TAGS).wire("x-meta-").at(Location::HeaderPrefix);
    attribute: String = Member::new("Attribute", &TEXT).wire("attr").xml_attribute();
    body: String = Member::new("Body", &TEXT);
    flat_names: Vec<String> = Member::new("FlatNames", &FLAT_NAMES).flattened();
    tags: BTreeMap<String, String> = Member::new("Tags", &TAGS);
}

structure! {
    Gone, GONE, structure "Gone" [];
    message: String = Member::new("Message", &TEXT);
    thing: String = Member::new("Thing", &TEXT);
}

pub static GONE_ERROR: ErrorModel =
    ErrorModel { name: "Gone", code: "Gone", http_status: 410, fault: Fault::Sender, schema: &GONE };

const ERRORS: &[&ErrorModel] = &[&GONE_ERROR];

const fn operation(name: &'static str, service: &'static ServiceModel) -> OperationModel {
    OperationModel {
        name,
        service,
        http_method: "POST",
        request_uri: "/",
        response_status: 200,
        input: &THING,
        output: &THING,
        result_wrapper: None,
        input_xml_name: None,
        host_prefix: None,
        errors: ERRORS,
    }
}

const fn service(
    name: &'static str,
    protocol: Protocol,
    operations: &'static [&'static OperationModel],
) -> ServiceModel {
    ServiceModel {
        name,
        service_id: name,
        full_name: name,
        protocol,
        protocols: match protocol {
            Protocol::Json11 => &[Protocol::Json11],
            Protocol::Query => &[Protocol::Query],
            Protocol::RestJson => &[Protocol::RestJson],
            Protocol::RestXml => &[Protocol::RestXml],
            _ => &[Protocol::RpcV2Cbor, Protocol::Json10],
        },
        target_prefix: Some("com.example.things.v2026.Things_2026"),
        api_version: "2026-01-01",
        xml_namespace: Some("https://things.example/doc/"),
        signing_name: "things",
        endpoint_prefix: "things",
        validation_error_code: "ValidationException",
        access_denied_code: "AccessDeniedException",
        repeats_error_code: false,
        operations,
        operations_not_served: &["BuyThing"],
    }
}

static JSON_OPERATIONS: [&OperationModel; 1] = [&JSON_PUT];
pub static JSON: ServiceModel = service("json-things", Protocol::Json11, &JSON_OPERATIONS);
pub static JSON_PUT: OperationModel = operation("PutThing", &JSON);

static QUERY_OPERATIONS: [&OperationModel; 1] = [&QUERY_PUT];
pub static QUERY: ServiceModel = service("query-things", Protocol::Query, &QUERY_OPERATIONS);
pub static QUERY_PUT: OperationModel =
    OperationModel { result_wrapper: Some("PutThingResult"), ..operation("PutThing", &QUERY) };

static CBOR_OPERATIONS: [&OperationModel; 1] = [&CBOR_PUT];
pub static CBOR: ServiceModel = service("cbor-things", Protocol::RpcV2Cbor, &CBOR_OPERATIONS);
pub static CBOR_PUT: OperationModel = operation("PutThing", &CBOR);

static REST_JSON_OPERATIONS: [&OperationModel; 3] = [&REST_JSON_PUT, &REST_JSON_LIST, &REST_JSON_GET];
pub static REST_JSON: ServiceModel = service("rest-json-things", Protocol::RestJson, &REST_JSON_OPERATIONS);
pub static REST_JSON_PUT: OperationModel = rest("PutThing", "PUT", "/things/{label}/at/{rest+}", &REST_JSON);
pub static REST_JSON_LIST: OperationModel = OperationModel {
    input: <Unit as crate::Structure>::SCHEMA,
    ..rest("ListThings", "GET", "/things?list", &REST_JSON)
};
pub static REST_JSON_GET: OperationModel =
    OperationModel { input: &NAMED, ..rest("GetThing", "GET", "/things/{Name}", &REST_JSON) };

static REST_XML_OPERATIONS: [&OperationModel; 1] = [&REST_XML_PUT];
pub static REST_XML: ServiceModel = service("rest-xml-things", Protocol::RestXml, &REST_XML_OPERATIONS);
pub static REST_XML_PUT: OperationModel = rest("PutThing", "PUT", "/things/{label}/at/{rest+}", &REST_XML);

structure! {
    Named, NAMED, structure "Named" [];
    name: String = Member::new("Name", &TEXT).at(Location::Uri).required();
}

const fn rest(
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    service: &'static ServiceModel,
) -> OperationModel {
    OperationModel {
        http_method: method,
        request_uri: uri,
        input: &REST_INPUT,
        output: &REST_OUTPUT,
        ..operation(name, service)
    }
}

/// The JSON operation as a type.
#[derive(Debug)]
pub struct PutThing;

impl Operation for PutThing {
    type Input = Thing;
    type Output = Thing;
    const MODEL: &'static OperationModel = &JSON_PUT;
}
