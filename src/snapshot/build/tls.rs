//! TLS towards the backends of a service, as a snapshot has it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::MakeTls;
use crate::config::model;
use crate::policy::UpstreamProtocol;
use crate::snapshot::Service;
use crate::snapshot::service::parse_server_name;

/// The TLS settings towards its backends. While the settings of `unchanged`, the service before, still apply they stay
/// the same object, with the TLS sessions that it can resume.
pub(super) fn client_tls(
    service: &model::Service,
    unchanged: Option<&Service>,
    make_tls: MakeTls<'_>,
) -> Result<Option<Arc<ClientConfig>>, String> {
    match (&service.tls, unchanged) {
        (None, _) => Ok(None),
        (Some(_), Some(before)) => Ok(before.tls.clone()),
        (Some(tls), None) => {
            make_tls(tls, service.protocol).map(Some).map_err(|reason| format!("TLS to its backends: {reason}"))
        }
    }
}

/// The TLS name for the whole service, after making sure that every backend has a name, this one or its own.
pub(super) fn check_server_names(service: &model::Service) -> Result<Option<ServerName<'static>>, String> {
    let Some(tls) = &service.tls else { return Ok(None) };
    if let Some(name) = &tls.server_name {
        return match parse_server_name(name) {
            Some(name) => Ok(Some(name)),
            None => Err(format!("tls.server_name `{name}` is neither a DNS name nor an IP address")),
        };
    }
    match service.backends.iter().find(|backend| parse_server_name(&backend.host).is_none()) {
        Some(backend) => Err(format!(
            "the address of backend `{}` ({}) has no host name to verify its certificate by: set tls.server_name",
            backend.id, backend.name
        )),
        None => Ok(None),
    }
}

/// TLS that offers HTTP/1.1 only.
pub(super) fn only_http1(tls: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut tls = ClientConfig::clone(tls);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

/// A hash of everything that connections under these settings depend on.
pub(super) fn fingerprint(tls: Option<&model::ClientTls>, protocol: UpstreamProtocol) -> u64 {
    let mut hasher = DefaultHasher::new();
    // the protocol decides what ALPN offers
    std::mem::discriminant(&protocol).hash(&mut hasher);
    if let Some(model::ClientTls { server_name, ca, verify, client, sources: _ }) = tls {
        (server_name, verify).hash(&mut hasher);
        // the system's authorities count too, because a reload may find renewed ones
        ca.certificates().iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().hash(&mut hasher);
        if let Some(client) = client {
            client.chain().iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().hash(&mut hasher);
            client.key.secret_der().hash(&mut hasher);
        }
    }
    hasher.finish()
}
