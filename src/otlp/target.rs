//! A collector, as the section `[otlp]` names it, and what is told it about this process.

use std::time::Duration;

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use http::uri::Authority;
use tokio_rustls::TlsConnector;

use crate::config::model::{self, Authorities, OtlpProtocol};
use crate::protobuf::Writer;
use crate::tls::connector::{ClientSettings, Trust, client_config};
use crate::trace::attributes::Attributes;
use crate::webhook::instance;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Points of time series.
    Metrics,
}

/// A collector.
pub struct Target {
    pub protocol: OtlpProtocol,
    pub endpoint: Uri,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long one message may take.
    pub timeout: Duration,
    pub tls: Option<TlsConnector>,
    /// The message `Resource`: the attributes of this process.
    pub resource: Vec<u8>,
}

/// Headers may hold credentials, and are not shown.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Signal {
    /// The word for it, as the label `signal`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// The method that takes it over gRPC.
    fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// What is added to the path of an endpoint of HTTP.
    fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}

impl Target {
    /// The collector of this section.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(config: &model::Otlp) -> Result<Self, String> {
        let trust = match &config.ca {
            Authorities::File(ca) => Trust::These(ca),
            Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
        };
        let alpn: &[&[u8]] = match config.protocol {
            OtlpProtocol::Grpc => &[b"h2"],
            OtlpProtocol::Http => &[b"http/1.1"],
        };
        let settings = ClientSettings { trust, verify: true, client: None, alpn };
        let is_https = config.endpoint.scheme_str() == Some("https");
        Ok(Self {
            protocol: config.protocol,
            endpoint: config.endpoint.clone(),
            headers: config.headers.clone(),
            timeout: config.timeout,
            tls: is_https.then(|| client_config(&settings).map(TlsConnector::from)).transpose()?,
            resource: resource(config, &instance()),
        })
    }

    /// The host, without the brackets of IPv6, and the port.
    pub fn address(&self) -> (&str, u16) {
        let host = self.endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
        let default = match (self.protocol, &self.tls) {
            (OtlpProtocol::Http, None) => 80,
            (OtlpProtocol::Http, Some(_)) => 443,
            (OtlpProtocol::Grpc, _) => 4317,
        };
        (host, self.endpoint.port_u16().unwrap_or(default))
    }

    /// The path that takes this signal.
    pub fn path(&self, signal: Signal) -> String {
        match self.protocol {
            OtlpProtocol::Grpc => signal.grpc_path().to_owned(),
            OtlpProtocol::Http => format!("{}{}", self.endpoint.path().trim_end_matches('/'), signal.http_path()),
        }
    }

    /// Where it is, for people: its path may hold a key.
    pub fn shown(&self) -> String {
        let authority = self.endpoint.authority().map_or("", Authority::as_str);
        format!("{}://{authority}", self.endpoint.scheme_str().unwrap_or_default())
    }
}

/// The attributes of this process, on the machine of this name. What the configuration says comes last, so that nothing is there twice.
fn resource(config: &model::Otlp, host: &str) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let id = format!("{host}:{}", std::process::id());
    let ours = [
        ("service.name", &*config.service_name),
        ("service.version", version),
        ("service.instance.id", &*id),
        ("host.name", host),
        ("telemetry.sdk.name", "evenkeel"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let mut writer = Writer::default();
    let mut attributes = Attributes::new(&mut writer, 1);
    let is_set = |key: &str| config.resource.iter().any(|(set, _)| set == key);
    ours.into_iter()
        .filter(|(key, value)| !value.is_empty() && !is_set(key))
        .for_each(|(key, value)| attributes.text(key, value));
    config.resource.iter().for_each(|(key, value)| attributes.text(key, value));
    writer.into_bytes()
}
