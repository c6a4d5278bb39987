//! S3's calls, as much of them as the commands need. Bodies are whole parts of bounded size, or streams that resume.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use http::Method;
use tarn_runtime::Timestamp;

use super::{Answer, Call, Client, encode_path, xml};
use crate::CliError;
use crate::location::S3Location;

/// Most keys of one DeleteObjects.
pub(crate) const DELETE_KEYS_COUNT_MAX: usize = 1_000;
/// How often a download goes on after its answer broke off.
const RESUMES_COUNT_MAX: u32 = 5;

/// An object as a listing or a HEAD tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its key.
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was last written.
    pub(crate) modified: Timestamp,
    /// Without quotes.
    pub(crate) etag: String,
    /// `STANDARD`.
    pub(crate) storage_class: String,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Objects, by key.
    pub(crate) objects: Vec<Object>,
    /// What the delimiter folds, by name.
    pub(crate) prefixes: Vec<String>,
    /// For the next page.
    pub(crate) token: Option<String>,
}

/// A part that has been uploaded.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// From 1.
    pub(crate) number: u32,
    /// As the server gave it, with quotes.
    pub(crate) etag: String,
    /// Of the part's bytes, if this program sent them.
    pub(crate) crc: Option<u64>,
    /// Bytes.
    pub(crate) size: u64,
}

/// A checksum as S3 writes it: base64 of the big-endian bytes.
pub(crate) fn checksum_text(crc: u64) -> String {
    BASE64.encode(crc.to_be_bytes())
}

/// CRC-64/NVME of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(Crc64Nvme, bytes)
}

/// The checksum of two stretches of bytes, one after the other.
pub(crate) fn checksum_of_both(first: u64, second: u64, second_size: u64) -> u64 {
    crc_fast::checksum_combine(Crc64Nvme, first, second, second_size)
}

/// The whole object's CRC-64/NVME, if the answer tells it.
pub(crate) fn stated_checksum(answer: &Answer) -> Option<u64> {
    let is_full = answer.header("x-amz-checksum-type").is_none_or(|kind| kind == "FULL_OBJECT");
    let text = answer.header("x-amz-checksum-crc64nvme").filter(|_| is_full)?;
    Some(u64::from_be_bytes(BASE64.decode(text).ok()?.try_into().ok()?))
}

fn path(place: &S3Location) -> String {
    match place.key.as_str() {
        "" => format!("/{}", encode_path(&place.bucket)),
        key => format!("/{}/{}", encode_path(&place.bucket), encode_path(key)),
    }
}

fn call(method: Method, place: &S3Location, doing: &str) -> Call {
    Call::new("s3", method, path(place), format!("{doing} {place}"))
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn malformed(doing: &str, reason: &str) -> CliError {
    CliError::failed(format!("{doing}: the answer is not S3's: {reason}; is this a lake's endpoint?"))
}

/// Whether XML 1.0 can hold a character at all: <https://www.w3.org/TR/xml/#charsets>.
fn is_sayable(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        character => character >= ' ',
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A bare control character would be lost or refused by an XML parser.
            c if (c as u32) < 0x20 => escaped.push_str(&format!("&#{};", c as u32)),
            c => escaped.push(c),
        }
    }
    escaped
}

fn object_of_answer(answer: &Answer, place: &S3Location) -> Result<Object, CliError> {
    let doing = format!("reading {place}");
    let size = answer.header("content-length").and_then(|text| text.parse().ok());
    let modified = answer.header("last-modified").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    Ok(Object {
        key: place.key.clone(),
        size: size.ok_or_else(|| malformed(&doing, "it has no Content-Length"))?,
        modified: modified.ok_or_else(|| malformed(&doing, "it has no Last-Modified"))?.timestamp(),
        etag: unquoted(answer.header("etag").unwrap_or_default()),
        storage_class: answer.header("x-amz-storage-class").unwrap_or("STANDARD").to_owned(),
    })
}

impl Client {
    async fn xml(&self, call: Call) -> Result<xml::Element, CliError> {
        let doing = call.doing.clone();
        let mut answer = self.send(call).await?;
        let root = xml::parse(&answer.text().await?).map_err(|reason| malformed(&doing, &reason))?;
        // Copies and completions begin their answer before they know how they end.
        if root.name == "Error" {
            return Err(CliError::Service {
                doing,
                code: root.text("Code").unwrap_or_default(),
                message: root.text("Message").unwrap_or_default(),
                status: answer.status.as_u16(),
                request_id: root.text("RequestId").unwrap_or_else(|| "unknown".to_owned()),
            });
        }
        Ok(root)
    }

    /// All buckets of the caller's account, with when they were made.
    pub(crate) async fn buckets(&self) -> Result<Vec<(String, String)>, CliError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut call = Call::new("s3", Method::GET, "/".to_owned(), "listing the buckets".to_owned())
                .query("max-buckets", "1000");
            if let Some(token) = &token {
                call = call.query("continuation-token", token.clone());
            }
            let root = self.xml(call).await?;
            if let Some(list) = root.child("Buckets") {
                found.extend(list.all("Bucket").map(|bucket| {
                    (bucket.text("Name").unwrap_or_default(), bucket.text("CreationDate").unwrap_or_default())
                }));
            }
            token = root.text("ContinuationToken").filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// One page of what is under `place`; with `folded`, only down to the next slash.
    pub(crate) async fn list(&self, place: &S3Location, folded: bool, token: Option<&str>) -> Result<Page, CliError> {
        let doing = format!("listing {place}");
        let mut call = call(Method::GET, &place.at(""), "listing")
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("max-keys", "1000")
            .query("prefix", place.key.clone());
        call.doing = doing.clone();
        if folded {
            call = call.query("delimiter", "/");
        }
        if let Some(token) = token {
            call = call.query("continuation-token", token);
        }
        let root = self.xml(call).await?;
        let is_encoded = root.text("EncodingType").as_deref() == Some("url");
        let name = |text: String| if is_encoded { decoded(&text) } else { text };
        let mut page = Page::default();
        for item in root.all("Contents") {
            let number = item.text("Size").and_then(|text| text.parse().ok());
            let modified = item.text("LastModified").and_then(|text| text.parse().ok());
            let (Some(key), Some(size), Some(modified)) = (item.text("Key"), number, modified) else {
                return Err(malformed(&doing, "an object lacks its key, size or time"));
            };
            page.objects.push(Object {
                key: name(key),
                size,
                modified,
                etag: unquoted(&item.text("ETag").unwrap_or_default()),
                storage_class: item.text("StorageClass").unwrap_or_else(|| "STANDARD".to_owned()),
            });
        }
        page.prefixes = root.all("CommonPrefixes").filter_map(|prefix| prefix.text("Prefix")).map(name).collect();
        page.token = root.text("NextContinuationToken").filter(|token| !token.is_empty());
        Ok(page)
    }

    /// What is known of an object, and its checksum if it has one.
    pub(crate) async fn head(&self, place: &S3Location) -> Result<(Object, Option<u64>), CliError> {
        let call = call(Method::HEAD, place, "looking at").header("x-amz-checksum-mode", "ENABLED");
        let answer = self.send(call).await?;
        Ok((object_of_answer(&answer, place)?, stated_checksum(&answer)))
    }

    /// Begins to read an object, or `range` of it, if it still is the one with `etag`.
    pub(crate) async fn get(
        &self,
        place: &S3Location,
        etag: Option<&str>,
        range: Option<(u64, u64)>,
    ) -> Result<Download, CliError> {
        let mut download = Download {
            client: self.clone(),
            place: place.clone(),
            etag: etag.map(str::to_owned),
            position: range.map_or(0, |(first, _)| first),
            end: range.map(|(first, size)| first + size),
            is_range: range.is_some(),
            resumes: 0,
            answer: None,
            object: None,
            checksum: None,
        };
        download.open().await?;
        Ok(download)
    }

    /// Puts a small object.
    pub(crate) async fn put(&self, place: &S3Location, content_type: &str, body: Bytes) -> Result<(), CliError> {
        let call = call(Method::PUT, place, "writing")
            .header("content-type", content_type)
            .header("x-amz-checksum-crc64nvme", checksum_text(checksum(&body)))
            .body(body);
        self.send(call).await.map(drop)
    }

    /// Copies an object within the store. Up to 5 GiB.
    pub(crate) async fn copy(&self, from: &S3Location, etag: &str, to: &S3Location) -> Result<(), CliError> {
        let call = call(Method::PUT, to, "copying to")
            .header("x-amz-copy-source", path(from))
            .header("x-amz-copy-source-if-match", format!("\"{etag}\""));
        self.xml(call).await.map(drop)
    }

    /// Begins a multipart upload; `checksummed` if all parts come from here.
    pub(crate) async fn begin_upload(
        &self,
        place: &S3Location,
        content_type: &str,
        checksummed: bool,
    ) -> Result<String, CliError> {
        let mut call = call(Method::POST, place, "beginning an upload to")
            .query("uploads", "")
            .header("content-type", content_type);
        if checksummed {
            call = call.header("x-amz-checksum-algorithm", "CRC64NVME").header("x-amz-checksum-type", "FULL_OBJECT");
        }
        let doing = call.doing.clone();
        let root = self.xml(call).await?;
        root.text("UploadId").ok_or_else(|| malformed(&doing, "it names no upload"))
    }

    /// Uploads a part.
    pub(crate) async fn put_part(
        &self,
        place: &S3Location,
        upload: &str,
        number: u32,
        body: Bytes,
    ) -> Result<Part, CliError> {
        let (crc, size) = (checksum(&body), body.len() as u64);
        let call = call(Method::PUT, place, "writing a part of")
            .query("partNumber", number.to_string())
            .query("uploadId", upload)
            .header("x-amz-checksum-crc64nvme", checksum_text(crc))
            .body(body);
        let doing = call.doing.clone();
        let answer = self.send(call).await?;
        let etag = answer.header("etag").ok_or_else(|| malformed(&doing, "it has no ETag"))?.to_owned();
        Ok(Part { number, etag, crc: Some(crc), size })
    }

    /// Makes a part of a range of another object.
    pub(crate) async fn copy_part(
        &self,
        from: &S3Location,
        etag: &str,
        (first, size): (u64, u64),
        to: &S3Location,
        upload: &str,
        number: u32,
    ) -> Result<Part, CliError> {
        let call = call(Method::PUT, to, "copying a part to")
            .query("partNumber", number.to_string())
            .query("uploadId", upload)
            .header("x-amz-copy-source", path(from))
            .header("x-amz-copy-source-if-match", format!("\"{etag}\""))
            .header("x-amz-copy-source-range", format!("bytes={first}-{}", first + size - 1));
        let doing = call.doing.clone();
        let root = self.xml(call).await?;
        let etag = root.text("ETag").ok_or_else(|| malformed(&doing, "it has no ETag"))?;
        Ok(Part { number, etag, crc: None, size })
    }

    /// Makes the object of its parts, which stand in their order.
    pub(crate) async fn complete_upload(
        &self,
        place: &S3Location,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), CliError> {
        let mut whole = Some(checksum(b""));
        let mut body = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for part in parts {
            whole = whole.zip(part.crc).map(|(so_far, crc)| checksum_of_both(so_far, crc, part.size));
            let sum = part.crc.map_or_else(String::new, |crc| {
                format!("<ChecksumCRC64NVME>{}</ChecksumCRC64NVME>", checksum_text(crc))
            });
            body.push_str(&format!(
                "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>{sum}</Part>",
                part.number,
                escaped(&part.etag)
            ));
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut call = call(Method::POST, place, "completing")
            .query("uploadId", upload)
            .header("content-type", "application/xml")
            .body(body.into());
        if let Some(whole) = whole {
            call = call
                .header("x-amz-checksum-crc64nvme", checksum_text(whole))
                .header("x-amz-checksum-type", "FULL_OBJECT");
        }
        self.xml(call).await.map(drop)
    }

    /// Gives an upload up, so that its parts take no room.
    pub(crate) async fn abort_upload(&self, place: &S3Location, upload: &str) -> Result<(), CliError> {
        self.send(call(Method::DELETE, place, "giving up the upload to").query("uploadId", upload)).await.map(drop)
    }

    /// Removes one object.
    pub(crate) async fn delete(&self, place: &S3Location) -> Result<(), CliError> {
        self.send(call(Method::DELETE, place, "removing")).await.map(drop)
    }

    /// Removes up to 1,000 objects; returns those that could not be, with the reason.
    pub(crate) async fn delete_many(
        &self,
        place: &S3Location,
        keys: &[String],
    ) -> Result<Vec<(String, String)>, CliError> {
        // What XML has no way to say is removed by its own request.
        let (sayable, unsayable): (Vec<&String>, Vec<&String>) =
            keys.iter().partition(|key| key.chars().all(is_sayable));
        let mut refused = Vec::new();
        for key in unsayable {
            if let Err(error) = self.delete(&place.at(key)).await {
                refused.push((key.clone(), error.to_string()));
            }
        }
        if sayable.is_empty() {
            return Ok(refused);
        }
        let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
        for key in sayable {
            body.push_str(&format!("<Object><Key>{}</Key></Object>", escaped(key)));
        }
        body.push_str("</Delete>");
        let body = Bytes::from(body);
        let call = call(Method::POST, &place.at(""), "removing from")
            .query("delete", "")
            .header("content-type", "application/xml")
            .header("x-amz-checksum-crc64nvme", checksum_text(checksum(&body)))
            .body(body);
        let root = self.xml(call).await?;
        refused.extend(root.all("Error").map(|error| {
            let reason =
                format!("{}: {}", error.text("Code").unwrap_or_default(), error.text("Message").unwrap_or_default());
            (error.text("Key").unwrap_or_default(), reason)
        }));
        Ok(refused)
    }
}

/// An object being read. If its answer breaks off, it goes on where it was, in the same version of the object.
pub(crate) struct Download {
    client: Client,
    place: S3Location,
    etag: Option<String>,
    position: u64,
    end: Option<u64>,
    is_range: bool,
    resumes: u32,
    answer: Option<Answer>,
    object: Option<Object>,
    checksum: Option<u64>,
}

impl Download {
    async fn open(&mut self) -> Result<(), CliError> {
        let mut call = call(Method::GET, &self.place, "reading");
        if let Some(etag) = &self.etag {
            call = call.header("if-match", format!("\"{etag}\""));
        }
        if self.is_range || self.position > 0 {
            let last = self.end.map_or_else(String::new, |end| end.saturating_sub(1).to_string());
            call = call.header("range", format!("bytes={}-{last}", self.position));
        } else {
            call = call.header("x-amz-checksum-mode", "ENABLED");
        }
        let answer = self.client.send(call).await?;
        if self.object.is_none() {
            let object = object_of_answer(&answer, &self.place)?;
            self.end = Some(self.position + object.size);
            self.etag = self.etag.take().or_else(|| Some(object.etag.clone()).filter(|etag| !etag.is_empty()));
            self.checksum = stated_checksum(&answer);
            self.object = Some(object);
        }
        self.answer = Some(answer);
        Ok(())
    }

    /// What the answer's head says; its size is that of what is read.
    pub(crate) fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    /// The object's checksum, if all of it is read and it has one.
    pub(crate) fn checksum(&self) -> Option<u64> {
        self.checksum
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, CliError> {
        loop {
            let broken = match &mut self.answer {
                None => None,
                Some(answer) => match answer.chunk().await {
                    Ok(Some(data)) => {
                        self.position += data.len() as u64;
                        return Ok(Some(data));
                    }
                    Ok(None) if Some(self.position) >= self.end => return Ok(None),
                    Ok(None) => Some(CliError::failed(format!("reading {}: the answer ended early", self.place))),
                    Err(error) => Some(error),
                },
            };
            if let Some(error) = broken {
                if self.resumes == RESUMES_COUNT_MAX {
                    return Err(error);
                }
                self.resumes += 1;
                self.client.pause(self.resumes, None).await;
            }
            self.open().await?;
        }
    }
}
