//! Copies in a bucket that speaks S3. `rusty-s3` signs the requests and reads lists; they go over a connection of their own each.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use http::{Method, Request, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rusty_s3::actions::{ListObjectsV2, S3Action as _};
use rusty_s3::{Credentials, UrlStyle};
use tokio_rustls::TlsConnector;
use url::Url;

use super::client::{Answer, FileBody, Server};
use super::copies::Copy;
use super::refusal::{Asked, refusal};
use crate::config::model::SystemAuthorities;
use crate::tls::connector::{ClientSettings, Trust, client_config};

/// How long a signature holds. S3 allows clocks to be off by as much.
const SIGNED_FOR: Duration = Duration::from_secs(900);

/// How long a request may take, whatever its size.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes a second that a transfer has to have, beyond that.
const SLOWEST: u64 = 256 << 10;

/// The largest file that one request may write; https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const LARGEST: u64 = 5 << 30;

/// Of an answer that is no copy, so many bytes are read. A list of 1,000 keys has less than a megabyte.
const MOST: usize = 8 << 20;

/// Finds a variable of the environment that is set and not empty.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A bucket, and who asks.
pub(super) struct Bucket {
    bucket: rusty_s3::Bucket,
    /// What its keys begin with: empty, or with a slash at its end.
    prefix: String,
    credentials: Credentials,
    server: Server,
}

impl Bucket {
    /// A bucket; the variables are those that AWS's own tools read.
    ///
    /// # Errors
    ///
    /// A sentence for people.
    pub fn open(name: &str, prefix: &str, variable: Variable<'_>) -> Result<Self, String> {
        let credentials = credentials(variable)?;
        let region =
            variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or("us-east-1".to_owned());
        let own = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let (endpoint, style) = match &own {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            // a certificate for *.s3.REGION.amazonaws.com is not one for a name with more dots in it
            None if name.contains('.') => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::Path),
            None => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::VirtualHost),
        };
        let wrong = |error: &dyn std::fmt::Display| format!("the endpoint `{endpoint}` can't be used: {error}");
        let url: Url = endpoint.parse().map_err(|error| wrong(&error))?;
        let bucket = rusty_s3::Bucket::new(url, style, name.to_owned(), region).map_err(|error| wrong(&error))?;
        let tls =
            (bucket.base_url().scheme() == "https").then(|| tls(variable("AWS_CA_BUNDLE").as_deref())).transpose()?;
        let url = bucket.base_url();
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket, prefix, credentials, server: Server { host, port, tls } })
    }

    /// The copies below the prefix; of one instance only, where that is said.
    pub async fn list(&self, instance: Option<&str>) -> Result<Vec<Copy>, String> {
        let mut found = Vec::new();
        let prefix = instance.map_or_else(|| self.prefix.clone(), |name| format!("{}{name}/", self.prefix));
        let mut token: Option<String> = None;
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix.as_str());
            if let Some(token) = &token {
                action.with_continuation_token(token.clone());
            }
            let mut text = Vec::new();
            self.ask(
                Method::GET,
                &action.sign(SIGNED_FOR),
                FileBody::empty(),
                PATIENCE,
                Asked::List,
                &mut Limited(&mut text),
            )
            .await?;
            let text = String::from_utf8_lossy(&text);
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|error| format!("{} answers with what is no list of a bucket: {error}", self.server.name()))?;
            let below = page
                .contents
                .iter()
                .filter_map(|object| Copy::parse(object.key.strip_prefix(&self.prefix)?, object.size.unwrap_or(0)));
            found.extend(below);
            match page.next_continuation_token {
                Some(next) if Some(&next) == token.as_ref() => {
                    return Err(format!("{} answers with the same part of the list for ever", self.server.name()));
                }
                Some(next) => token = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Writes a file as this copy.
    pub async fn put(&self, copy: &Copy, from: &Path) -> Result<(), String> {
        if copy.size > LARGEST {
            return Err(format!(
                "the copy has {} bytes: more than one request may write to a bucket (5 GiB)",
                copy.size
            ));
        }
        let file = File::open(from).map_err(|error| format!("{}: {error}", from.display()))?;
        let key = self.key(copy);
        let url = self.bucket.put_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        let body = FileBody::new(file, copy.size);
        self.ask(Method::PUT, &url, body, allowed(copy.size), Asked::Put, &mut std::io::sink()).await
    }

    /// Reads a copy.
    pub async fn get(&self, copy: &Copy, to: &mut dyn Write) -> Result<(), String> {
        let key = self.key(copy);
        let url = self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        self.ask(Method::GET, &url, FileBody::empty(), allowed(copy.size), Asked::Get, to).await
    }

    /// Deletes a copy.
    pub async fn remove(&self, copy: &Copy) -> Result<(), String> {
        let key = self.key(copy);
        let url = self.bucket.delete_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        self.ask(Method::DELETE, &url, FileBody::empty(), PATIENCE, Asked::Delete, &mut std::io::sink()).await
    }

    fn key(&self, copy: &Copy) -> String {
        format!("{}{}", self.prefix, copy.key())
    }

    /// Sends a request, and writes the body of an answer that is a success.
    async fn ask(
        &self,
        method: Method,
        url: &Url,
        body: FileBody,
        within: Duration,
        asked: Asked,
        to: &mut dyn Write,
    ) -> Result<(), String> {
        let target = &url[url::Position::BeforePath..];
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::builder().method(method).uri(target).header(http::header::HOST, authority).body(body);
        let request = request.map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.server.send(request).await?;
            self.read(answer, asked, to).await
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(done) => done,
            Err(_) => Err(format!("{} has not answered within {} s", self.server.name(), within.as_secs())),
        }
    }

    async fn read(&self, mut answer: Answer, asked: Asked, to: &mut dyn Write) -> Result<(), String> {
        if answer.status().is_success() {
            return answer.read(to).await;
        }
        // deleting what is gone is done
        if asked == Asked::Delete && answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        let mut body = Vec::new();
        // what the head says is told even if the rest does not come
        let _ = answer.read(&mut Limited(&mut body)).await;
        let body = String::from_utf8_lossy(&body);
        let (bucket, region) = (self.bucket.name(), self.bucket.region());
        Err(refusal(
            asked,
            bucket,
            region,
            &self.server.name(),
            answer.status(),
            answer.headers(),
            &body,
            SystemTime::now(),
        ))
    }
}

/// Takes no more than [`MOST`] bytes.
struct Limited<'a>(&'a mut Vec<u8>);

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(std::io::Error::other("the answer is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How long a transfer of so many bytes may take.
fn allowed(size: u64) -> Duration {
    PATIENCE + Duration::from_secs(size / SLOWEST)
}

fn credentials(variable: Variable<'_>) -> Result<Credentials, String> {
    let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .map(|name| variable(name).ok_or_else(|| format!("there are no credentials: {name} is not set")));
    Ok(match variable("AWS_SESSION_TOKEN") {
        Some(token) => Credentials::new_with_token(key?, secret?, token),
        None => Credentials::new(key?, secret?),
    })
}

/// TLS towards the bucket, which is verified against the authorities of a file, or those of the system.
fn tls(authorities: Option<&str>) -> Result<TlsConnector, String> {
    let settings = |trust| ClientSettings { trust, verify: true, client: None, alpn: &[b"http/1.1"] };
    let config = match authorities {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|error| format!("AWS_CA_BUNDLE: `{file}` can't be read: {error}"))?;
            client_config(&settings(Trust::These(&read)))
        }
        None => {
            let system = SystemAuthorities::read();
            client_config(&settings(Trust::System(&system.certificates, system.error.as_deref())))
        }
    };
    config.map(TlsConnector::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bucket: &str, set: &[(&str, &str)]) -> Result<(String, String), String> {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_CA_BUNDLE", "")];
        let variable = |name: &str| {
            let found = set.iter().chain(&keys).find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty())
        };
        Bucket::open(bucket, "a", &variable).map(|it| (it.bucket.base_url().to_string(), it.bucket.region().to_owned()))
    }

    #[test]
    fn the_environment_says_where_the_bucket_is() {
        let own = "http://127.0.0.1:9000";
        let url = |bucket, set: &[_]| open(bucket, set).unwrap().0;
        assert_eq!(url("bucket", &[("AWS_ENDPOINT_URL", own)]), "http://127.0.0.1:9000/bucket/");
        let both =
            [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_S3", own), ("AWS_REGION", "eu-west-1")];
        assert_eq!(open("bucket", &both), Ok(("http://127.0.0.1:9000/bucket/".to_owned(), "eu-west-1".to_owned())));
        assert!(open("bucket", &[("AWS_ENDPOINT_URL", "127.0.0.1:9000")]).is_err());
        let missing = open("bucket", &[("AWS_SECRET_ACCESS_KEY", "")]).unwrap_err();
        assert_eq!(missing, "there are no credentials: AWS_SECRET_ACCESS_KEY is not set");
    }
}
